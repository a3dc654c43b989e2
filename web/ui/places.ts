/** Time zones, currencies, countries: as the browser knows and names them, in the language of the screen. */
import { language, t } from '../text.ts';

export function browserTimeZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

export interface Place {
  value: string;
  label: string;
  /** Found by typing: also what the label does not say. */
  words: string;
}

function offsetOf(timeZone: string, at: Date): { label: string; minutes: number } {
  const name = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' }).formatToParts(at).find((part) => part.type === 'timeZoneName')?.value ?? 'GMT';
  const [, sign = '+', hours = '0', minutes = '0'] = /GMT([+-])(\d+):(\d+)/.exec(name) ?? [];
  return { label: name === 'GMT' ? 'UTC' : name.replace('GMT', 'UTC').replace(/:00$/, '').replace(/([+-])0(\d)/, '$1$2'), minutes: (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) };
}

/** Cities that have a name in every language of ours; the others are called as the world's table of zones calls them. */
const namedCities = new Set('Moscow Kaliningrad Samara Saratov Volgograd Ulyanovsk Astrakhan Kirov Yekaterinburg Omsk Novosibirsk Barnaul Tomsk Novokuznetsk Krasnoyarsk Irkutsk Chita Yakutsk Khandyga Vladivostok Ust-Nera Magadan Sakhalin Srednekolymsk Kamchatka Anadyr Simferopol Minsk Kiev Kyiv Chisinau Almaty Qyzylorda Qostanay Aqtobe Aqtau Atyrau Oral Tashkent Samarkand Bishkek Dushanbe Ashgabat Yerevan Tbilisi Baku Riga Vilnius Tallinn Helsinki Warsaw Prague Berlin Vienna Paris Madrid Rome London Istanbul Jerusalem Dubai Shanghai Tokyo Bangkok New_York Chicago Los_Angeles'.split(' '));

function cityOf(timeZone: string): string {
  const city = timeZone.split('/').at(-1) ?? timeZone;
  return namedCities.has(city) ? t(`web.zone.${city.toLowerCase().replaceAll('-', '_')}`) : city.replaceAll('_', ' ');
}

/** «Москва (UTC+3)» */
export function timeZoneName(timeZone: string): string {
  return `${cityOf(timeZone)} (${offsetOf(timeZone, new Date()).label})`;
}

/** From west to east. */
export function timeZones(): Place[] {
  const at = new Date();
  const own = browserTimeZone();
  const names = new Set([...Intl.supportedValuesOf('timeZone'), own, 'UTC']);
  return [...names]
    .map((value) => {
      const offset = offsetOf(value, at);
      return { value, label: `${cityOf(value)} (${offset.label})`, words: value, minutes: offset.minutes };
    })
    .sort((a, b) => a.minutes - b.minutes || a.label.localeCompare(b.label, language.value));
}

export function currencies(): Place[] {
  const names = new Intl.DisplayNames(language.value, { type: 'currency' });
  return Intl.supportedValuesOf('currency').map((value) => ({ value, label: `${value} · ${names.of(value) ?? value}`, words: value })).sort((a, b) => rank(a.value) - rank(b.value) || a.label.localeCompare(b.label));
}

/** What is asked for most comes first. */
const usual = ['RUB', 'EUR', 'USD', 'KZT', 'BYN', 'UZS', 'KGS', 'AMD', 'GEL', 'AZN', 'GBP', 'CNY', 'TRY'];
function rank(code: string): number {
  const place = usual.indexOf(code);
  return place === -1 ? usual.length : place;
}

const countryCodes = 'AD AE AF AG AI AL AM AO AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GT GU GW GY HK HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW'.split(' ');

export function countries(): Place[] {
  const names = new Intl.DisplayNames(language.value, { type: 'region' });
  return countryCodes.map((value) => ({ value, label: names.of(value) ?? value, words: value })).sort((a, b) => a.label.localeCompare(b.label, language.value));
}

/** The currency people there count in, of those we know by heart. */
const currencyOf: Readonly<Record<string, string>> = { RU: 'RUB', BY: 'BYN', KZ: 'KZT', UZ: 'UZS', KG: 'KGS', AM: 'AMD', GE: 'GEL', AZ: 'AZN', US: 'USD', GB: 'GBP', CN: 'CNY', TR: 'TRY', UA: 'UAH', PL: 'PLN', CH: 'CHF', CZ: 'CZK' };
const inEuro = 'AT BE CY DE EE ES FI FR GR HR IE IT LT LU LV MT NL PT SI SK ME'.split(' ');
export function usualCurrency(country: string): string | undefined {
  return inEuro.includes(country) ? 'EUR' : currencyOf[country];
}

/** Where the browser seems to be: by its language's region, else by its time zone. */
export function likelyCountry(): string {
  for (const tag of navigator.languages) {
    const { region } = new Intl.Locale(tag);
    if (region !== undefined && countryCodes.includes(region)) return region;
  }
  return browserTimeZone() === 'Europe/Moscow' || language.value === 'ru' ? 'RU' : 'US';
}
