package intent

// tongue is a set of languages.
type tongue uint8

const (
	english tongue = 1 << iota
	dutch
	german
)

// functionWords are the small words that every text of a language is full of
// and the two others lack, with a few greetings for the shortest mails. Words
// that two of the languages share count for both or are left out.
var functionWords = map[tongue]string{
	english: `the and of to for with from that this these those it its is are was were be been have has had do does did not
		you your i my me he she his her they their there what which when who how why would could should will please can
		if but or as at by on an a hello dear regards thanks thank hi we our us any some no yes out up off into because user lost need
		sincerely yours kind`,
	dutch: `de het een en van voor met op te dat deze dit die er om aan bij zijn is was ben bent hebben heb heeft had niet geen
		ik jij je jullie u uw mijn wij we ons onze hij zij hem haar wie wat waar hoe waarom wanneer kan kunt kunnen zou zouden
		wil wilt willen graag maar of als ook nog naar uit dan door over tot worden wordt werd beste groet groeten bedankt
		alstublieft aub gebruiker telefoon kwijt vriendelijke geachte hallo goedemorgen`,
	german: `der die das den dem des ein eine einen einem einer und von vom fuer mit auf zu zum zur dass dieser diese dieses es um an bei
		ist war bin sind haben habe hat hatte nicht kein keine ich du ihr ihnen sie mein meine wir uns unser unsere er ihm wer was wo
		wie warum wann kann koennen koennten wuerde moechte moechten bitte aber oder wenn auch noch nach aus durch ueber bis
		werden wird wurde gruesse danke benutzer hallo sehr geehrte handy guten`,
}

// language weighs the function words of a text. It answers "" when there are
// too few or when two languages are as likely.
func language(votes [3]int) string {
	best, second := 0, 1
	if votes[1] > votes[0] {
		best, second = 1, 0
	}
	if votes[2] > votes[best] {
		best, second = 2, best
	} else if votes[2] > votes[second] {
		second = 2
	}
	if votes[best] == 0 || votes[best] == votes[second] {
		return ""
	}
	return [3]string{"en", "nl", "de"}[best]
}
