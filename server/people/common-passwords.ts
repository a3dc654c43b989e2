/**
 * The passwords tried first by anyone who guesses: the head of public lists, of eight characters
 * and more (shorter ones are refused anyway), with Russian words in both layouts. Lower case.
 */
export const commonPasswords: ReadonlySet<string> = new Set(
  `12345678 123456789 1234567890 12345678910 123123123 1234567891 123456123 147258369 987654321 9876543210 87654321
  0123456789 01234567 11223344 1122334455 112233445566 123321123 12341234 1234512345 12344321 13579246 1357924680 147852369
  159753456 159357456 741852963 789456123 7894561230 963852741 456789123 123654789 1234554321 1q2w3e4r 1q2w3e4r5t
  1q2w3e4r5t6y 1qaz2wsx 1qaz2wsx3edc 1qazxsw2 qazwsxedc qazwsx123 zaq12wsx zaq1zaq1 q1w2e3r4 q1w2e3r4t5 q1w2e3r4t5y6 qwer1234
  qwerty12 qwerty123 qwerty1234 qwerty12345 qwertyui qwertyuiop qwertyuiop123 qwerasdf qwe123qwe qweasdzxc qweqweqwe qwaszx12
  asdfghjk asdfghjkl asdfasdf asdasdasd asd123asd zxcvbnm1 zxcvbnm123 zxcvbnm,. zxczxczxc 1234qwer 123qweasd 123qwe123 12qwaszx
  password password1 password12 password123 password1234 password! passw0rd p@ssw0rd p@ssword pa$$word pass1234 pass12345
  passpass password01 password11 mypassword newpassword letmein1 letmein123 welcome1 welcome12 welcome123 changeme changeme1
  changeme123 iloveyou iloveyou1 iloveyou2 iloveyou123 sunshine sunshine1 princess princess1 football football1 baseball
  baseball1 superman superman1 batman123 michael1 michelle jennifer jessica1 charlie1 computer computer1 internet
  trustno1 starwars whatever whatever1 dragon12 dragon123 monkey12 monkey123 shadow12 shadow123 master12 master123 killer12
  samsung1 samsung123 liverpool liverpool1 chelsea1 arsenal1 mercedes corvette einstein elephant snowball december november
  september february midnight victoria veronica samantha danielle christin jonathan benjamin alexander alexande nicholas
  william1 anthony1 jackson1 hello123 helloworld hello1234 abcd1234 abc12345 abc123456 abc123abc abcdefgh abcdefghi abcdef123
  a1b2c3d4 a1s2d3f4 a12345678 a123456789 aa123456 aa12345678 q1234567 q12345678 qq123456 z1234567 zz123456 admin123 admin1234
  admin12345 administrator adminadmin admin@123 root1234 rootroot test1234 test12345 testtest testing1 testing123 demo1234
  demodemo user1234 useruser guest123 secret12 secret123 secretsecret system123 manager1 manager123 company1 company123
  google123 facebook facebook1 linkedin linkedin1 twitter1 microsoft windows10 windows7 office365 bitrix24 vestnik1 vestnik123
  spring2024 summer2024 winter2024 autumn2024 spring2025 summer2025 winter2025 autumn2025 spring2026 summer2026 winter2026
  moscow123 moskva123 russia123 rossiya1 spartak1 spartak123 zenit123 lokomotiv dinamo123 marina123 natasha1 nastya123 svetlana
  tatyana1 ekaterina aleksandr aleksandra sergey123 dmitriy1 dmitry123 vladimir vladimir1 vladislav konstantin maksim123
  andrey123 anastasia anastasiya kristina kristina1 valentina lyubov123 parol123 parol1234 parol12345 paroliparol privet123
  privetprivet solnce123 solnishko lubimaya lyubimaya zvezda123 krasotka natali123 kotenok1 zaq12345 йцукенгш йцукенгшщз
  йцукен12 йцукен123 йцукен1234 пароль12 пароль123 пароль1234 парольпароль привет12 привет123 приветпривет любовь123 солнышко
  солнце123 наташа123 настя1234 марина123 спартак1 спартак123 россия123 москва123 фывапрол фывапролдж ячсмитьб qazxswedc
  gfhjkm12 gfhjkm123 gfhjkmgfhjkm ghbdtn12 ghbdtn123 ghbdtnghbdtn k.,jdm cjkysirj yfnfif123 vfhbyf123 fylhtq123 ybrbnf123
  cthutq123 lbvf1234 vfrcbv123 fktrcfylh qwerty1q 1qwerty1 qwertyqwerty 111222333 111222333444 222333444 123789456 147147147
  159159159 321321321 456456456 789789789 100500100500 00000000a 7777777a 11111111a aaaaaaa1 aaaa1111 a1a2a3a4 asdf1234 asdfg12345
  zxcv1234 zxcvbn123 q2w3e4r5 1a2b3c4d 1z2x3c4v 1z2x3c4v5b lolita123 naruto123 pokemon1 pokemon123 minecraft minecraft1
  playstation nintendo cocacola cocacola1 chocolate chocolate1 cookie123 butterfly butterfly1 flower123 summer12 summer123
  freedom1 freedom123 forever1 forever123 friends1 friends123 family123 jesus123 jesuschrist blessed1 angel123 babygirl babygirl1
  loveyou1 lovelove lovely123 sweetheart beautiful beautiful1 handsome1 hannah123 ashley123 access14 access123 login123
  loginlogin temp1234 temporary default1 default123 unknown1 nothing1 nopassword mustang1 harley123 ferrari1 porsche1 yamaha123
  marlboro1 champion1 hunter12 hunter123 ranger123 thunder1 lightning phoenix1 diamond1 silver123 golden123 purple123 orange123`
    .split(/\s+/),
);
