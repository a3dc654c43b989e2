/** What `npm run demo` says, in both languages. */
import type { Language } from '../../shared/messages.ts';

export interface Words {
  heading: string;
  preparing: string;
  ready: (company: string, people: number, deals: number, robots: number, seconds: string) => string;
  servers: (smtp: string, sms: string) => string;
  stage: (stage: string) => string;
  titles: Record<'A' | 'B' | 'C' | 'D' | 'E' | 'F' | 'G' | 'H' | 'I' | 'J', string>;
  created: (who: string, deal: string, amount: string) => string;
  moved: (who: string, deal: string) => string;
  movedBoth: (who: string, first: string, second: string) => string;
  bell: (count: number) => string;
  from: string;
  seenBy: (who: string) => string;
  nothingFor: (who: string) => string;
  linkOpens: (who: string, title: string) => string;
  chatOpens: (who: string, title: string) => string;
  letterCame: (to: string) => string;
  subject: string;
  attachment: string;
  notInTimeline: string;
  chatMade: (title: string, names: string) => string;
  result: (name: string, value: string) => string;
  smallChat: (title: string) => string;
  joined: (names: string) => string;
  wrote: (who: string, text: string) => string;
  seesHistory: (who: string) => string;
  hidesHistory: (who: string) => string;
  skipped: (deal: string) => string;
  privateChat: (from: string, to: string) => string;
  fieldKeeps: (field: string, value: string) => string;
  comment: (author: string) => string;
  invoiceOpens: (status: number) => string;
  smsCame: (phone: string, length: number) => string;
  fromField: (field: string) => string;
  groupMessage: (author: string, kind: string) => string;
  byRobot: string;
  post: (author: string) => string;
  postSeen: (names: string) => string;
  tagFinds: (tag: string) => string;
  fileOpens: (name: string, size: number) => string;
  noPost: (who: string) => string;
  kinds: Record<string, string>;
  review: { name: string; text: string };
  lawyerSays: string;
  deals: { big: string; small: string };
  table: { scenario: string; effects: string; time: string; state: string; ok: string; failed: string };
  allDone: (effects: number) => string;
  notAll: (failed: number) => string;
  timeNote: string;
  late: (what: string) => string;
}

const russian: Words = {
  heading: 'Вестник: десять сценариев статьи «Информирование сотрудников»',
  preparing: 'Готовлю новую базу данных, почтовый сервер и СМС-шлюз на этой машине…',
  ready: (company, people, deals, robots, seconds) => `Компания ${company}: ${people} человек, ${deals} сделок, ${robots} роботов, готова за ${seconds} с.`,
  servers: (smtp, sms) => `Письма принимает SMTP-сервер ${smtp}, СМС — HTTP-шлюз ${sms}.`,
  stage: (stage) => `стадия «${stage}»`,
  titles: {
    A: 'Добавить уведомление', B: 'Добавить комментарий в элемент', C: 'Добавить новость', D: 'Создать групповой чат', E: 'Добавить участников в групповой чат',
    F: 'Чат с другой стадии: поле «ID группового чата»', G: 'Отправить сообщение в групповой чат', H: 'Отправить сообщение в личный чат',
    I: 'Отправить письмо сотруднику', J: 'Отправить СМС сотруднику',
  },
  created: (who, deal, amount) => `${who} создаёт сделку «${deal}» на ${amount}.`,
  moved: (who, deal) => `${who} переводит сделку «${deal}» на эту стадию.`,
  movedBoth: (who, first, second) => `${who} переводит на эту стадию сделки «${first}» и «${second}».`,
  bell: (count) => `Уведомление у каждого в отделе продаж, у всех сразу (${count}):`,
  from: 'отправитель',
  seenBy: (who) => `видит ${who}`,
  nothingFor: (who) => `${who} не из отдела продаж: уведомлений нет.`,
  linkOpens: (who, title) => `${who} открывает сделку из уведомления: «${title}».`,
  chatOpens: (who, title) => `${who} открывает карточку сделки из чата: «${title}».`,
  letterCame: (to) => `Письмо пришло на SMTP-сервер, кому: ${to}`,
  subject: 'Тема',
  attachment: 'Вложение',
  notInTimeline: 'В таймлайне сделки письма нет.',
  chatMade: (title, names) => `Чат «${title}» в списке чатов: ${names}.`,
  result: (name, value) => `Результат робота «${name}»: ${value}.`,
  smallChat: (title) => `И для сделки «${title}»: свой чат с теми же людьми.`,
  joined: (names) => `В чате теперь и ${names}.`,
  wrote: (who, text) => `До этого в чате пишет ${who}: «${text}»`,
  seesHistory: (who) => `${who} видит это сообщение.`,
  hidesHistory: (who) => `${who}, в чате с этой минуты и без показа истории, его не видит.`,
  skipped: (deal) => `Сделка «${deal}»: робот не сработал, и карточка говорит почему:`,
  privateChat: (from, to) => `Личный чат, пишет ${from}, читает ${to}:`,
  fieldKeeps: (field, value) => `Робот «Изменить элемент» записал в поле «${field}»: ${value}.`,
  comment: (author) => `Комментарий в таймлайне, автор ${author}:`,
  invoiceOpens: (status) => `Ссылка на счёт открыта без входа (HTTP ${status}):`,
  smsCame: (phone, length) => `СМС-шлюз принял сообщение для ${phone}, символов: ${length}`,
  fromField: (field) => `Чат взят из поля «${field}».`,
  groupMessage: (author, kind) => `Сообщение в чате, отправитель ${author}, вид «${kind}»:`,
  byRobot: 'Отправлено роботом',
  post: (author) => `Пост в ленте, автор ${author}:`,
  postSeen: (names) => `Пост видят: ${names}.`,
  tagFinds: (tag) => `Поиск по тегу «${tag}» находит этот пост.`,
  fileOpens: (name, size) => `Файл «${name}» открывается, байт: ${size}.`,
  noPost: (who) => `${who} не получатель и поста не видит.`,
  kinds: { plain: 'обычное', announcement: 'объявление', notice: 'уведомление', important: 'важное', alarm: 'авария' },
  review: { name: 'Отзыв клиента.txt', text: 'Переехали за выходные, всё стоит как на плане. Спасибо!\n' },
  lawyerSays: 'Договор проверен, замечаний нет.',
  deals: { big: 'Мебель для нового офиса', small: 'Два стола и шкаф' },
  table: { scenario: 'Сценарий', effects: 'проверок', time: 'мс', state: '', ok: 'работает', failed: 'НЕ РАБОТАЕТ' },
  allDone: (effects) => `Все десять сценариев работают. Проверок: ${effects}. Временные данные удалены.`,
  notAll: (failed) => `Не выполнено проверок: ${failed}. Временные данные удалены.`,
  timeNote: 'мс: от отправки запроса, который перевёл сделку, до последнего из тех, кто узнал об этом.',
  late: (what) => `не дождались: ${what}`,
};

const english: Words = {
  heading: 'Vestnik: the ten scenarios of the article on informing employees',
  preparing: 'Making a fresh database, a mail server and an SMS gateway on this machine…',
  ready: (company, people, deals, robots, seconds) => `${company}: ${people} people, ${deals} deals, ${robots} robots, ready in ${seconds} s.`,
  servers: (smtp, sms) => `Letters go to the SMTP server ${smtp}, SMS to the HTTP gateway ${sms}.`,
  stage: (stage) => `stage “${stage}”`,
  titles: {
    A: 'Add notification', B: 'Add comment to the item', C: 'Add post to the feed', D: 'Create group chat', E: 'Add people to a group chat',
    F: 'Chat of another stage: the field “Group chat ID”', G: 'Send message to a group chat', H: 'Send message to a private chat',
    I: 'Send e-mail to an employee', J: 'Send SMS to an employee',
  },
  created: (who, deal, amount) => `${who} creates the deal “${deal}” for ${amount}.`,
  moved: (who, deal) => `${who} moves the deal “${deal}” to this stage.`,
  movedBoth: (who, first, second) => `${who} moves the deals “${first}” and “${second}” to this stage.`,
  bell: (count) => `A notification for everybody in the sales department, live for all (${count}):`,
  from: 'sender',
  seenBy: (who) => `as ${who} sees it`,
  nothingFor: (who) => `${who} is not in the sales department: no notification.`,
  linkOpens: (who, title) => `${who} opens the deal from the notification: “${title}”.`,
  chatOpens: (who, title) => `${who} opens the card of the deal from the chat: “${title}”.`,
  letterCame: (to) => `The letter is at the SMTP server, to: ${to}`,
  subject: 'Subject',
  attachment: 'Attachment',
  notInTimeline: 'The letter is not in the timeline of the deal.',
  chatMade: (title, names) => `The chat “${title}” is in the lists of ${names}.`,
  result: (name, value) => `Result of the robot, “${name}”: ${value}.`,
  smallChat: (title) => `And for the deal “${title}”: a chat of its own with the same people.`,
  joined: (names) => `Now in the chat: ${names}.`,
  wrote: (who, text) => `Before that, ${who} writes in the chat: “${text}”`,
  seesHistory: (who) => `${who} sees this message.`,
  hidesHistory: (who) => `${who}, in the chat from now on and without its history, does not.`,
  skipped: (deal) => `Deal “${deal}”: the robot did not act, and the card says why:`,
  privateChat: (from, to) => `Private chat, ${from} writes, ${to} reads:`,
  fieldKeeps: (field, value) => `The robot “Change item” wrote into the field “${field}”: ${value}.`,
  comment: (author) => `Comment in the timeline by ${author}:`,
  invoiceOpens: (status) => `The link to the invoice opens without signing in (HTTP ${status}):`,
  smsCame: (phone, length) => `The SMS gateway took a message for ${phone}, characters: ${length}`,
  fromField: (field) => `The chat was taken from the field “${field}”.`,
  groupMessage: (author, kind) => `Message in the chat by ${author}, kind “${kind}”:`,
  byRobot: 'Sent by a robot',
  post: (author) => `Post in the feed by ${author}:`,
  postSeen: (names) => `Seen by: ${names}.`,
  tagFinds: (tag) => `Searching for the tag “${tag}” finds the post.`,
  fileOpens: (name, size) => `The file “${name}” opens, bytes: ${size}.`,
  noPost: (who) => `${who} is no recipient and does not see the post.`,
  kinds: { plain: 'plain', announcement: 'announcement', notice: 'notice', important: 'important', alarm: 'alarm' },
  review: { name: 'Client review.txt', text: 'We moved over the weekend, everything stands as planned. Thank you!\n' },
  lawyerSays: 'I have checked the contract, no remarks.',
  deals: { big: 'Furniture for the new office', small: 'Two tables and a cabinet' },
  table: { scenario: 'Scenario', effects: 'checks', time: 'ms', state: '', ok: 'works', failed: 'DOES NOT WORK' },
  allDone: (effects) => `All ten scenarios work. Checks: ${effects}. The temporary data are gone.`,
  notAll: (failed) => `Checks that failed: ${failed}. The temporary data are gone.`,
  timeNote: 'ms: from sending the request that moved the deal to the last of those who heard of it.',
  late: (what) => `waited in vain: ${what}`,
};

export function wordsIn(language: Language): Words {
  return language === 'ru' ? russian : english;
}
