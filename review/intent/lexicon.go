package intent

import "strings"

// class is a set of meanings a word can carry.
type class uint32

const (
	factor    class = 1 << iota // a second factor, beyond doubt
	code                        // a code or a check, which may or may not be one
	backup                      // backup codes
	action                      // to reset, remove, switch off
	enable                      // to set up, switch on
	device                      // a phone and the like
	loss                        // lost, stolen, broken, new
	ask                         // please, could you
	negation                    // not, never, no
	object                      // something else that is reset or removed every day
	elsewhere                   // to reset or remove, but the object above
	signin                      // to log in
	person                      // I, we, he, user
	domain                      // domains and their transfer
	shop                        // marketing codes, text messages to customers
)

const classCount = 15

var classNames = map[string]class{
	"factor": factor, "code": code, "backup": backup, "action": action, "enable": enable,
	"device": device, "loss": loss, "ask": ask, "not": negation, "object": object,
	"elsewhere": elsewhere, "signin": signin, "person": person, "domain": domain, "shop": shop,
}

func classOf(names string) class {
	var c class
	for n := range strings.SplitSeq(names, "|") {
		bit, ok := classNames[n]
		if !ok {
			panic("intent: no class " + n)
		}
		c |= bit
	}
	return c
}

// vocabulary lists the words of each class in English, Dutch and German. A star
// stands for any ending; a tilde in front allows one typing error.
var vocabulary = map[class]string{
	factor: `2fa 2fas tfa mfa totp otp hotp 2factor* 2faktor* 2staps* 2stufen*
		twofactor* ~tweefactor* ~tweestaps* tweetraps* ~zweifaktor* zweistufen* zweistufig* zweischritt*
		~authenticator ~authenticators authenticatorapp* ~authentificator authentikator authentificator* authentifikator*
		authenticatieapp* authentifizierungsapp* authentifizierungs-app verificatieapp tweefaktor*
		authy inlogcode* logincode* anmeldecode* loginscode* yubikey* beveiligingssleutel* sicherheitsschluessel* einmalpasswort* einmalpasswoert* einmalcode*
		~authenticatiecode ~authenticatiecodes ~authentifizierungscode ~authentifizierungscodes authenticatiemiddel`,
	code: `code codes kode kodes token tokens ~authentication ~authenticatie ~authentifizierung authentifikation authentification
		~verification verifikation ~verifizierung ~verificatie ~verificatiecode ~verificatiecodes
		~bestaetigungscode ~bestaetigungscodes bevestigingscode bevestigingscodes sicherheitscode sicherheitscodes
		beveiligingscode* zugangscode* toegangscode* passcode* authcode* verifizierungscode* verifikationscode*`,
	backup: `backupcode backupcodes upcode upcodes herstelcode* reservecode* noodcode* ~wiederherstellungscode
		~wiederherstellungscodes notfallcode* ersatzcode* sicherungscode* ~recoverycodes reservekode* backupkode*`,
	action: `~resetting reset resets resett reseten resette resetted ~disable ~disabled disabling remove removed removing
		removal deactivate deactivated ~deactivating deactivation clear cleared clearing delete deleted unlink unlinked
		unpair unregister revoke detach unbind wipe wiping erase erased drop dropping unset void invalidate unlock release releasing cancel undo
		~zuruecksetzen zurucksetzen ~zurueckgesetzt zurueckzusetzen zurucksetzung zuruecksetzt ruecksetzen ruecksetzung ~zuruecksetzung
		~deaktivieren deaktiviert deaktivierung deaktivieren entfernen entfernt entfernung loeschen geloescht loeschung abschalten
		abzuschalten abgeschaltet ausschalten auszuschalten ausgeschaltet aufheben aufzuheben abmachen rausnehmen rauszunehmen herausnehmen
		entkoppeln entkoppelt abkoppeln trennen loesen freischalten freigeben entsperren stornieren neusetzen rueckgaengig
		resetten reseten gereset geresetet geresette ~deactiveren gedeactiveerd deactivatie uitschakelen uitgeschakeld
		verwijderen verwijderd uitzetten uitgezet wissen loskoppelen losgekoppeld ontkoppelen ontkoppeld
		afhalen weghalen weggehaald eraf terugzetten opheffen annuleren intrekken vrijgeven ontgrendelen deblokkeren wegdoen verwijder`,
	enable: `enable enabling activate activating ~einrichten einzurichten einrichtung aktivieren
		aktiviere aktivierung einschalten einzuschalten instellen installeren inschakelen activeren
		aanzetten`,
	device: `phone phones cellphone* smartphone* mobile mobiles cell handset handsets iphone* android pixel samsung tablet* ipad*
		device devices telephone laptop laptops computer computers notebook macbook ipod watch smartwatch rechner handy handys handies mobiltelefon* diensthandy* firmenhandy* diensttelefon* telefon telefons geraet geraete geraets geraetes
		austauschgeraet* ersatzgeraet* ersatzhandy* ersatztelefon* telefoon telefoons mobiel mobieltje mobieltjes toestel toestellen
		werktelefoon gsm apparaat`,
	loss: `lost lose losing stolen broke broken died dead gone wiped smashed shattered dropped drowned cracked missing
		defective damaged destroyed replaced replacement replacing switched changed changing new newer misplaced fell vanished empty restored deleted
		uninstalled formatted sold traded upgraded handed unreachable lake ghost fried bricked crashed toast useless returned burnt burned forgotten forgot left
		verloren verlor gestohlen geklaut kaputt kaputtgegangen defekt weg gewechselt wechsel gewechseld neues neue neuen neuem ersetzt ausgetauscht
		zerstoert gesprungen gefallen abhanden geloescht ueberfahren abgeben abgegeben mitgenommen hinueber verkauft formatiert gebrochen geist futsch leer hin zurueckgegeben deinstalliert zerbrochen abgestuerzt
		abgegeben verlegt vergessen verschwunden verbrannt ertrunken gegeben tot
		kwijt kwijtgeraakt gestolen kapot stuk defect gewisseld nieuw nieuwe vervangen vervangend vervangende overleden gebarsten zoek
		gecrasht gewist verwijderd ingeleverd inleveren meegenomen overgezet verdwenen geraakt gejat begeven vergeten verbrand vallen leeg
		teruggegeven dood verkocht gevallen vergaan doorgegeven`,
	ask: `please pls plz kindly could can would may need needs request requesting ask asking appreciate want like must needed possible
		bitte bitten bittet koennen koennten koenntet koennt kann kannst wuerden moechte moechten moechten brauche brauchen benoetige
		benoetigen beantrage beantragen ersuche muss muesste darum moeglich
		graag alstublieft alsjeblieft aub svp kunt kunnen kan kun zou zouden wilt wil willen verzoek verzoeken verzoekt moet moeten
		gelieve nodig mogelijk gaarne`,
	negation: `no not never none neither without cant cannot dont didnt doesnt isnt wont havent couldnt nor unable
		nicht kein keine keinen keiner keinem nie niemals weder ohne
		niet geen nooit noch zonder niks`,
	object: `password passwords passwort passworts passwoerter kennwort wachtwoord wachtwoorden ftppasswort server servers vps dns zone zones
		dnszone record records router firewall plugin plugins folder map ordner website site database datenbank
		invoice factuur rechnung line zeile regel data gegevens daten cache ftp port poort user-account ip zertifikat certificate
		certificaat mailbox postfach cronjob php ssl`,
	signin: `login logon signin login-in einloggen anmelden anmeldung inloggen ingelogd aanmelden einzuloggen anzumelden enter`,
	person: `i we he she they user users my our his her ich wir er sie benutzer nutzer mein meine unser ik wij hij zij gebruiker mijn onze`,
	domain: `domain domains domein domeinen domeinnaam epp authinfo registrar transfer transferring transferieren umziehen umzug
		verhuizen verhuiscode verhuizing autorisatiecode`,
	shop: `promo coupon coupons voucher discount gutschein* kortingscode* rabattcode* actiecode* customers kunden klanten webshop sms`,
}

// terms gives a class to several words together (or takes one away, with a
// minus); the first word carries it. They are applied in this order.
var terms = []struct{ class, pattern string }{
	{"factor", "two|2|dual|second|multi|zwei|zweiter|zweiten|zweite|zweites|twee|tweede factor|factors|faktor|faktors|fa|factoren|faktoren|factorauthentication|faktorauthentifizierung|factorauthenticatie|faktorauth|faktoranmeldung"},
	{"factor", "two|2|zwei|twee step|steps|staps|stufen|schritt|schritte|factorverificatie|stapsverificatie|stapsauthenticatie|stappen|stap|trap|traps"},
	{"factor", "second|tweede|zweiten|zweiter|zweite authentication|step|stap|schritt"},
	{"factor", "<code> [1] in|with two|2|zwei|twee steps|schritten|stappen"},
	{"factor", "app|apps [5] codes|number|zahl|nummer|getal|ziffern|cijfers"},
	{"factor", "code|codes|number|zahl|nummer|getal|digits|ziffern|cijfers [4] app|apps|telefoonapp|handyapp"},
	{"factor", "login|logon|signin|anmelde code|codes|step|schritt|stap"},
	{"factor", "2 f a"},
	{"factor", "m f a"},
	{"factor", "security|hardware|hardwarematige key|keys|token|tokens|sleutel|schluessel"},
	{"factor", "one|eenmalige|eenmalig [1] time|wachtwoord|wachtwoorden password|passwords|code|codes|passcode"},
	{"factor", "authentication|authenticatie|authentifizierungs|authentifizierung|verification|authenticating|tweestaps app|apps|application|device|code|codes"},
	{"factor", "six|6|sechs|zes digit|stelligen|stellige|cijferige [1] code|codes"},
	{"code", "sechsstelligen|sechsstellige|zescijferige code"},
	{"backup", "backup|back|recovery|reserve|emergency|rescue|scratch|wiederherstellungs|notfall|sicherungs|reserve|nood|herstel [1] code|codes|upcodes|keys|kodes"},
	{"action", "turn|switch|shut|take|turned|switched|taken [7] off"},
	{"action", "setz|setze|setzen|setzt|stelle|stellen [12] zurueck"},
	{"action", "schalte|schalten|schaltet|mach|machen [12] ab|aus"},
	{"action", "nehmen|nimm|nehme [12] raus|weg|runter|heraus|von|ab"},
	{"action", "heben|hebe [12] auf"},
	{"action", "koppeln|koppel [8] ab|los"},
	{"action", "zet|zetten|schakel|schakelt [12] uit|terug"},
	{"action", "haal|halen|neem|koppel [12] af|weg|eraf|los"},
	{"action", "ongedaan"},
	{"action", "opnieuw [2] kunnen <enable>"},
	{"action", "get|be rid"},
	{"action", "neu|opnieuw setzen|aufsetzen|vergeben|zetten|uitgeven|uitgegeven"},
	{"action", "start|begin [3] over|afresh|scratch"},
	{"action", "mach|machen|macht|nimm|nehmt [8] weg|raus|frei"},
	{"enable", "set|setting|sets|turn|switch [4] up|on"},
	{"enable", "richte|richten|richtet|schalte|schalten [10] ein"},
	{"enable", "stel|zet|stellen|schakel [10] in|aan"},
	{"-enable", "<enable> [5] again|anew|erneut|opnieuw|neu|afresh"},
	{"-enable", "again|neu|erneut|opnieuw|wieder|meteen [4] <enable>"},
	{"signin", "log|sign|logging|signing|get in|into|on"},
	{"signin", "komme|kommen|kommt|kom|komt|komen [6] rein|panel|paneel|kundenmenue|ins|hinein|binnen|controlepaneel|in|an|bij"},
	{"object", "auth code|codes"},
	{"-device", "phone|phones|mobile|cell|telephone number|support|numbers|call"},
}

// entry is what the lexicon knows of a word before its neighbours are seen.
type entry struct {
	literal  literal
	classes  class
	language tongue
}

type ending struct {
	stem    string
	classes class
}

type lexicon struct {
	entries map[string]entry
	endings map[string][]ending // by the first four letters
	typos   map[string][]string // a listed word less one letter
	worth   map[opening]uint32  // lengths at which a typing error is looked for
	next    literal
}

func newLexicon() *lexicon {
	l := &lexicon{entries: map[string]entry{}, endings: map[string][]ending{}, typos: map[string][]string{}, worth: map[opening]uint32{}}
	for c, words := range vocabulary {
		for w := range strings.FieldsSeq(words) {
			l.add(c, w)
		}
	}
	for t, words := range functionWords {
		for w := range strings.FieldsSeq(words) {
			e := l.entries[fold(w)]
			e.language |= t
			l.entries[fold(w)] = e
		}
	}
	return l
}

func (l *lexicon) add(c class, w string) {
	if s, ok := strings.CutSuffix(w, "*"); ok {
		s = fold(strings.TrimPrefix(s, "~"))
		l.endings[s[:4]] = append(l.endings[s[:4]], ending{s, c})
		return
	}
	w, careless := strings.CutPrefix(w, "~")
	w = fold(w)
	e := l.entries[w]
	e.classes |= c
	l.entries[w] = e
	if careless {
		l.worth[openingOf([]byte(w))] |= 7 << (len(w) - 1) // one less, as many, one more
		for i := range w {
			l.typos[w[:i]+w[i+1:]] = append(l.typos[w[:i]+w[i+1:]], w)
		}
	}
}

func (l *lexicon) intern(w string) literal {
	e := l.entries[w]
	if e.literal == 0 {
		l.next++
		e.literal = l.next
		l.entries[w] = e
	}
	return e.literal
}

// lookup finds a folded word: as it stands, by its beginning, or with one typing
// error.
func (l *lexicon) lookup(w []byte) entry {
	if e, ok := l.entries[string(w)]; ok {
		return e
	}
	if len(w) < 5 {
		return entry{}
	}
	for _, e := range l.endings[string(w[:4])] {
		if len(w) >= len(e.stem) && string(w[:len(e.stem)]) == e.stem {
			return entry{classes: e.classes}
		}
	}
	if len(w) < 7 || len(w) > 30 || l.worth[openingOf(w)]&(1<<len(w)) == 0 {
		return entry{}
	}
	return l.misspelt(w)
}

// opening is the first two letters of a word in either order. People rarely get
// those wrong, and looking at them first spares nearly every word the search.
type opening [2]byte

func openingOf(w []byte) opening { return opening{min(w[0], w[1]), max(w[0], w[1])} }

func (l *lexicon) misspelt(w []byte) entry {
	for _, c := range l.typos[string(w)] {
		return l.entries[c]
	}
	var short [30]byte
	for i := range w {
		s := append(append(short[:0], w[:i]...), w[i+1:]...)
		if e, ok := l.entries[string(s)]; ok && len(s) >= 7 && e.classes != 0 {
			return e
		}
		for _, c := range l.typos[string(s)] {
			if oneSlip(w, c) {
				return l.entries[c]
			}
		}
	}
	return entry{}
}

// oneSlip tells whether two words of equal length differ in one letter or in two
// neighbours exchanged.
func oneSlip(a []byte, b string) bool {
	if len(a) != len(b) {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if i == len(a) || string(a[i+1:]) == b[i+1:] {
		return true
	}
	return i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && string(a[i+2:]) == b[i+2:]
}
