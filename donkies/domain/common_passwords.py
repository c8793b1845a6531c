"""The passwords that are tried first; longer than 7 characters only, the shorter are refused anyway."""

_LIST = """
password password1 password12 password123 password1234 passw0rd p@ssw0rd p@ssword pa55word pa$$word 12345678
123456789 1234567890 12345678910 0123456789 0987654321 987654321 87654321 11111111 111111111 1111111111 00000000
000000000 0000000000 22222222 33333333 55555555 66666666 77777777 88888888 99999999 12341234 11223344
12121212 123123123 1234512345 112233445566 123321123 123454321 1q2w3e4r 1q2w3e4r5t 1qaz2wsx 1qazxsw2 q1w2e3r4
q1w2e3r4t5 qwertyui qwertyuiop qwerty12 qwerty123 qwerty1234 qwerty12345 1234qwer 12345qwert 123qweasd qweasdzxc
qazwsxedc asdfghjk asdfghjkl zxcvbnm1 zxcvbnm123 asdf1234 asdfasdf qwerqwer abcd1234 abc12345 abc123456 a1b2c3d4
a1234567 a12345678 a123456789 aa123456 aa12345678 abcdefgh abcdefg1 abcdefghi abcabcabc letmein1 letmein123
welcome1 welcome12 welcome123 welcome2024 welcome2025 iloveyou iloveyou1 iloveyou2 iloveyou12 ilovegod trustno1
football football1 baseball baseball1 basketball superman superman1 batman123 spiderman starwars starwars1
princess princess1 sunshine sunshine1 shadow12 shadow123 monkey12 monkey123 dragon12 dragon123 master12 master123
michael1 jennifer jordan23 michelle jessica1 charlie1 danielle samantha alexander alexande benjamin christopher
computer computer1 internet internet1 whatever whatever1 changeme changeme1 changeme123 default1 default123
secret12 secret123 topsecret administrator administrator1 admin123 admin1234 admin12345 root1234 toor1234
test1234 test12345 testtest testing1 testing123 guest123 user1234 username login123 access14 access123
corvette mercedes maverick mustang1 ferrari1 yamaha12 liverpool liverpool1 chelsea1 arsenal1 barcelona manchester
chocolate chocolate1 butterfly butterfly1 hello123 hello1234 hellohello helloworld freedom1 freedom123 blink182
pokemon1 pokemon123 minecraft minecraft1 fortnite pa55w0rd passpass passw0rd1 password! password1! password123!
p@ssw0rd1 p@ssw0rd123 welcome1! summer2024 summer2025 summer2026 winter2024 winter2025 winter2026 spring2025
autumn2025 january1 december1 september november q1w2e3r4t5y6 zaq12wsx zaq1zaq1 zaqxswcde !qaz2wsx 1qaz@wsx
1234abcd 12345abc 123456ab 123456abc 123abc123 147258369 159357456 159753456 741852963 789456123 147852369
987654321a 123456789a 12345678a 123456a! 1password mypassword yourpassword thepassword nopassword
google123 facebook facebook1 linkedin samsung1 samsung123 iphone123 microsoft windows10 october1 snoopy12
cheese12 cookie12 killer123 soccer12 soccer123 hockey12 tigger12 ginger12 pepper12 bailey12 buster12 cowboy12
elephant dolphins scorpion airborne einstein hardcore marlboro redskins steelers victoria startrek
sweetheart nicholas veronica caroline isabella elizabeth stephanie charlotte jonathan
moneymoney bankbank banking1 banking123 mymoney1 mybank12 creditcard
"""
COMMON_PASSWORDS = frozenset(_LIST.split())
