package sendertest

// tongue is a language: how people of it are called and write.
type tongue struct {
	code     string
	names    []string
	subjects []string
	bodies   []string
	charset  string // the old one, which some clients still use
}

var tongues = []tongue{
	{"en", []string{"Ann Admin", "O'Neil, Pat", "J. R. Smith", "IT Support (Acme)"}, []string{"Lost my phone", "Re: [support #48213] 2FA reset", "Fwd: invoice 2026-1182", "Locked out :-( please help", "Question about \"dns\" <urgent>"},
		[]string{"Hello,\n\nmy phone fell into the river and with it the authenticator. Could you reset the second factor of jo?\n\nFrom now on I keep the backup codes.\n\nKind regards\nAnn\n-- \nAcme Ltd | +44 20 1234567 | https://acme.example\n", "Hi team,\nplease find the invoice attached.\n.\nThanks = a lot\n"}, "windows-1252"},
	{"de", []string{"Jürgen Müller", "Müller, Jürgen (Einkauf)", "Zoë Groß"}, []string{"Bitte Zwei-Faktor-Anmeldung zurücksetzen", "AW: Ihr Ticket 8812 – Rückfrage zur Verlängerung des Zertifikats für shop.mueller-bau.example", "WG: Rechnung über 1.200,50 €"},
		[]string{"Guten Tag,\n\nich habe ein neues Handy und komme nicht mehr hinein. Bitte setzen Sie die Zwei-Faktor-Anmeldung für Benutzer müller zurück.\n\nMit freundlichen Grüßen\nJürgen Müller\n\nDiese E-Mail enthält vertrauliche Informationen. Wenn Sie nicht der richtige Adressat sind, informieren Sie bitte den Absender.\n", "Hallo,\nim Anhang die Rechnung.\nGrüße\n"}, "iso-8859-1"},
	{"nl", []string{"Zoë de Vries", "van der Berg, Jan-Willem", "Kapsalon Zoë"}, []string{"Tweestapsverificatie resetten", "Betreft: factuur € 12,50", "Doorst: kan niet meer inloggen"},
		[]string{"Beste,\n\nIk heb een nieuwe telefoon en kan niet meer inloggen. Kunnen jullie de 2FA van jan resetten?\n\nMet vriendelijke groet,\nZoë\n\nOp ma 23 nov 2026 om 09:12 schreef Support <reset@support.example>:\n> Beste klant,\n>\n> From: wat bedoelt u?\n>> To: iedereen\n"}, "windows-1252"},
	{"fr", []string{"Hélène Lefèvre", "Étude notariale, Maître Ça"}, []string{"Réinitialisation de la double authentification", "Tr : accès impossible à l’espace client"}, []string{"Bonjour,\n\nj’ai perdu mon téléphone. Pourriez-vous réinitialiser le second facteur de l’utilisateur hélène ?\n\nCordialement,\nHélène\n"}, "iso-8859-15"},
	{"pl", []string{"Łukasz Żółć"}, []string{"Prośba o reset weryfikacji dwuetapowej"}, []string{"Dzień dobry,\n\nzgubiłem telefon, proszę o reset.\n\nPozdrawiam\nŁukasz\n"}, "iso-8859-2"},
	{"ru", []string{"Анна Иванова"}, []string{"Потерян телефон, сбросьте второй фактор"}, []string{"Здравствуйте,\n\nпотерян телефон. Прошу сбросить второй фактор.\n\nАнна\n"}, "koi8-r"},
	{"ja", []string{"山田 太郎"}, []string{"二段階認証のリセットのお願い"}, []string{"お世話になっております。\n\n携帯電話を紛失しました。二段階認証をリセットしてください。\n\n山田\n"}, "iso-2022-jp"},
	{"zh", []string{"王小明"}, []string{"请重置双重验证"}, []string{"您好,\n\n手机丢了,请重置双重验证。\n\n王小明\n"}, "gb2312"},
	{"tr", []string{"Işıl Çağlar"}, []string{"İki adımlı doğrulamayı sıfırlama"}, []string{"Merhaba,\n\ntelefonumu kaybettim.\n\nIşıl\n"}, "iso-8859-9"},
	{"es", []string{"José Núñez"}, []string{"¿Pueden restablecer el segundo factor?"}, []string{"Hola:\n\nhe perdido el móvil.\n\nUn saludo,\nJosé\n"}, "iso-8859-1"},
	{"ar", []string{"ليلى حسن"}, []string{"إعادة تعيين المصادقة الثنائية"}, []string{"مرحبا،\n\nفقدت هاتفي.\n\nليلى\n"}, "windows-1256"},
}
