package intent

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// common are the words that are logins and everyday words at once, beyond those
// that the lexicon lists anyway.
var common = set(`info admin administrator support reset mail email post office test root user users web webmaster hostmaster
	postmaster sales service help helpdesk team system server account accounts billing shop store data api demo guest staff
	manager company contact home main new old name names login panel control center cloud app apps backup security reseller
	hello news marketing finance press jobs public private master default owner operator client customer it hr pr ceo
	gebruiker gebruikers beheer beheerder kantoor verkoop inkoop boekhouding administratie receptie bestelling klant klanten winkel
	bedrijf nieuws hulp dienst algemeen techniek directie balie factuur facturen
	benutzer nutzer verwaltung buero vertrieb einkauf buchhaltung empfang bestellung kunde kunden laden firma hilfe dienst
	technik leitung rechnung rechnungen zentrale kontakt verkauf lager werkstatt praxis kanzlei may mark will
	boutique facturation comptabilité accueil vente ventes achat achats contabilidad ventas compras tienda facturación soporte
	contabilità vendite acquisti negozio assistenza fatture sklep biuro księgowość sprzedaż pomoc zakupy loja vendas compras suporte
	faturação contabilidade escritório prueba prova teste essai
	max min bill rich art hope grant joy june april august rose page star sky dean angel summer miles chance
	mai morgen heute gestern vandaag gisteren today tomorrow yesterday monday friday montag freitag maandag vrijdag`)

// isCommon tells whether a lower-case login or name counts only when marked, in a
// text of the languages that spoken tells.
func isCommon(key string, spoken func() tongue) bool {
	if utf8.RuneCountInString(key) < 3 || strings.IndexFunc(key, unicode.IsLetter) < 0 {
		return true
	}
	f := fold(key)
	if common[f] {
		return true
	}
	e := known.lexicon.entries[f]
	return e != nil && (e.literal != 0 || e.small&spoken() != 0 || e.in(spoken()) != 0)
}

// markers are the words after which a login follows.
var markers = set(`user users username usernames userid login logins logon loginname account id uid
	gebruiker gebruikers gebruikersnaam gebruikersnamen inlognaam loginnaam inlog
	benutzer benutzers benutzername benutzernamen benutzerkennung nutzer nutzername anmeldename kennung konto
	utilisateur utilisateurs identifiant identifiants compte usuario usuarios cuenta utente utenti użytkownik użytkownika
	użytkownicy użytkowników konta utilizador utilizadores usuário usuários conta nome`)

// links may stand between a marker and the login.
var links = set("is ist lautet name named called namens heet mit met naam est son lautet es jest to é nom nombre nazwa")

// isMarked tells whether the run at start is written as a login: in quotation
// marks, after a marker and a colon or "is", or straight after a marker. The last
// is too weak for a function word ("the user will").
func isMarked(text string, start, end int, key string) bool {
	if quoted(text, start, end) {
		return true
	}
	from := max(0, start-64)
	before := strings.TrimRight(text[from:start], " \t\r\n\"'„“»`(-*•")
	trimmed := strings.TrimRight(before, ":= \t\r\n")
	strong := len(trimmed) < len(before)
	rest, last := lastWord(trimmed)
	if links[last] && !markers[last] {
		_, last = lastWord(strings.TrimRight(rest, ": \t\r\n"))
		strong = true
	}
	if !markers[last] {
		return false
	}
	e, listed := known.lexicon.entries[fold(key)]
	return strong || !listed || e.small == 0
}

// lastWord splits the last word off and folds it. A word that does not reach the
// end of s (because of a full stop, say) is none.
func lastWord(s string) (rest, last string) {
	i := strings.LastIndexFunc(s, func(r rune) bool { return !unicode.IsLetter(r) })
	if i < 0 {
		return "", fold(s)
	}
	_, n := utf8.DecodeRuneInString(s[i:])
	return s[:i], fold(s[i+n:])
}

const (
	openQuotes  = "\"'`„“”‚‘’«»‹›["
	closeQuotes = "\"'`“”‘’«»‹›]"
)

// A space inside the marks, as the French write them, is no matter.
func quoted(text string, start, end int) bool {
	before, _ := utf8.DecodeLastRuneInString(strings.TrimRight(text[:start], " \u00a0\u202f"))
	after, _ := utf8.DecodeRuneInString(strings.TrimLeft(text[end:], " \u00a0\u202f"))
	return before != utf8.RuneError && after != utf8.RuneError &&
		strings.ContainsRune(openQuotes, before) && strings.ContainsRune(closeQuotes, after)
}

// isListGap tells whether only a list separator stands between two logins:
// "users: info, admin and support".
func isListGap(s string) bool {
	if len(s) > 16 {
		return false
	}
	switch strings.Trim(strings.TrimSpace(s), "\"'„“”, \t\r\n-*") {
	case "", "and", "und", "en", "&", "+", "/":
		return strings.TrimSpace(s) != ""
	}
	return false
}
