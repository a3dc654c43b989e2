/** What a command_status (SMPP 3.4, 5.1.3) means for a message. Pure. */
import { errors } from 'smpp/lib/defs.js';
import type { SmsProblem, SmsProblemCode } from '../../provider.ts';

const names = new Map(Object.entries(errors).map(([name, status]) => [status, name]));

/** 'ESME_RINVDSTADR 0x0000000b' */
export function statusName(status: number): string {
  return `${names.get(status) ?? ''} 0x${status.toString(16).padStart(8, '0')}`.trim();
}

/** The SMSC asks to be slower; the link is well, and nothing is wrong with the message. */
export function isBusy(status: number): boolean {
  return status === errors.ESME_RTHROTTLED || status === errors.ESME_RMSGQFUL;
}

type Meaning = readonly [SmsProblem['outcome'], SmsProblemCode];
const unusable: Meaning = ['permanent', 'sms.settings_unusable'];
const signIn: Meaning = ['permanent', 'sms.sign_in_refused'];
const rejected: Meaning = ['permanent', 'sms.rejected'];
const later: Meaning = ['transient', 'sms.gateway_busy'];

const meanings: Readonly<Record<string, Meaning>> = {
  ESME_RTHROTTLED: later, ESME_RMSGQFUL: later, ESME_RSYSERR: later, ESME_RX_T_APPN: later,
  // Bound already, or too often: an earlier link is not given up yet.
  ESME_RALYBND: later, ESME_RBINDFAIL: later,
  ESME_RINVPASWD: signIn, ESME_RINVSYSID: signIn,
  ESME_RINVDSTADR: ['permanent', 'sms.number_refused'], ESME_RINVSRCADR: ['permanent', 'sms.sender_refused'],
  ESME_RINVMSGLEN: ['permanent', 'sms.text_refused'],
  ESME_RSUBMITFAIL: rejected, ESME_RX_P_APPN: rejected, ESME_RX_R_APPN: rejected, ESME_RDELIVERYFAILURE: rejected, ESME_RCNTSUBDL: rejected,
  ESME_RSERTYPUNAUTH: rejected, ESME_RPROHIBITED: rejected, ESME_RSERTYPDENIED: rejected, ESME_RSERTYPUNAVAIL: later,
  ESME_RINVCMDLEN: unusable, ESME_RINVCMDID: unusable, ESME_RINVBNDSTS: unusable, ESME_RINVPRTFLG: unusable, ESME_RINVREGDLVFLG: unusable,
  ESME_RINVSERTYP: unusable, ESME_RINVESMCLASS: unusable, ESME_RINVSRCTON: unusable, ESME_RINVSRCNPI: unusable, ESME_RINVDSTTON: unusable,
  ESME_RINVDSTNPI: unusable, ESME_RINVSYSTYP: unusable, ESME_RINVREPFLAG: unusable, ESME_RINVNUMMSGS: unusable, ESME_RINVSCHED: unusable,
  ESME_RINVEXPIRY: unusable, ESME_RINVDFTMSGID: unusable, ESME_RINVTLVSTREAM: unusable, ESME_RTLVNOTALLWD: unusable,
  ESME_RINVTLVLEN: unusable, ESME_RMISSINGTLV: unusable, ESME_RINVTLVVAL: unusable, ESME_RINVDCS: unusable,
};

/** `status` is not 0. */
export function problemOf(status: number): SmsProblem {
  const name = names.get(status);
  const isVendors = status >= 0x400 && status <= 0x4ff;
  // A code nobody documented (ESME_RUNKNOWNERR among them) may come after the message was taken.
  const [outcome, code] = (name === undefined ? undefined : meanings[name]) ?? (isVendors ? rejected : ['unknown', 'sms.answer_unclear'] satisfies Meaning);
  return { outcome, code, detail: statusName(status) };
}
