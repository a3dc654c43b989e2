import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readHolidays } from './holidays.ts';

test('a calendar file gives its days, spans, yearly events, and folded and escaped names', () => {
  const ics = [
    'BEGIN:VCALENDAR', 'BEGIN:VEVENT', 'DTSTART;VALUE=DATE:20270101', 'DTEND;VALUE=DATE:20270104', 'SUMMARY;LANGUAGE=de:Neu', ' jahr\\, frei', 'END:VEVENT',
    'BEGIN:VEVENT', 'DTSTART;VALUE=DATE:20201225', 'RRULE:FREQ=YEARLY', 'SUMMARY:Christmas', 'END:VEVENT',
    'BEGIN:VEVENT', 'DTSTART;VALUE=DATE:20270101', 'SUMMARY:Holiday', 'END:VEVENT',
    'BEGIN:VEVENT', 'SUMMARY:Broken', 'END:VEVENT',
    'BEGIN:VEVENT', 'DTSTART;VALUE=DATE:20270601', 'DTEND;VALUE=DATE:20270901', 'SUMMARY:Summer', 'END:VEVENT', 'END:VCALENDAR', '',
  ].join('\r\n');
  assert.deepEqual(readHolidays(ics, 2027), {
    days: [
      { day: '2027-01-01', name: 'Neujahr, frei / Holiday' }, { day: '2027-01-02', name: 'Neujahr, frei' }, { day: '2027-01-03', name: 'Neujahr, frei' },
      { day: '2027-12-25', name: 'Christmas' },
    ],
    unread: ['Broken', 'Summer'],
  });
});

test('a list is read as people write it, and what is no day is given back', () => {
  const list = '2027-05-01 — Праздник труда\n09.05.2027;"День Победы"\n• 12.06 День России\n2027-12-30 – 2028-01-02, Каникулы\n31.02.2027 нет такого\n\nчто-то\n25/12/2027';
  assert.deepEqual(readHolidays(list, 2027), {
    days: [
      { day: '2027-05-01', name: 'Праздник труда' }, { day: '2027-05-09', name: 'День Победы' }, { day: '2027-06-12', name: 'День России' }, { day: '2027-12-25', name: '' },
      { day: '2027-12-30', name: 'Каникулы' }, { day: '2027-12-31', name: 'Каникулы' }, { day: '2028-01-01', name: 'Каникулы' }, { day: '2028-01-02', name: 'Каникулы' },
    ],
    unread: ['31.02.2027 нет такого', 'что-то'],
  });
  assert.deepEqual(readHolidays('', 2027), { days: [], unread: [] });
});
