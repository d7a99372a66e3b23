package intent

import (
	"math"
	"slices"
	"strings"
)

// Classify tells whether a mail asks to reset somebody's second factor. The text
// is the writer's own unquoted words; mailbox/message does the cutting. Both
// arguments should be UTF-8; invalid bytes separate words. At most 64 KiB of each
// is read.
func Classify(subject, text string) Result { return Words{Subject: subject, Text: text}.Classify() }

// Classify tells whether a mail asks to reset somebody's second factor.
//
// The subject of a reply is what somebody wrote before: it tells what the mail is
// about and asks for nothing. A forwarded request counts when the writer endorses
// it in words of their own ("can you sort this out?") that speak against nothing;
// the subject of a forward is part of what is forwarded.
func (w Words) Classify() Result {
	about, subject := subjectOf(clip(w.Subject))
	bare := strings.TrimSpace(w.Text) == ""
	var own Result
	switch {
	case about == forward:
		own = classify("", "", w.Text)
	case about == reply && (!bare || numbered(subject)):
		own = classify(subject, "", w.Text)
	default:
		own = classify("", subject, w.Text)
	}
	if own.Request || about != forward && w.Forwarded == "" {
		own.Signals = slices.DeleteFunc(own.Signals, func(s Signal) bool { return s.Name == endorsement })
		return own
	}
	matter := w.Forwarded
	if about == forward {
		matter = subject + "\n\n" + matter
	}
	return own.pass(classify("", "", matter))
}

// pass joins the writer's own words with what they forward.
func (r Result) pass(matter Result) Result {
	if !matter.Request {
		return r
	}
	against := func(s Signal) bool { return s.Weight < 0 }
	if !has(r.Signals, endorsement) || slices.ContainsFunc(r.Signals, against) {
		return r
	}
	r.Forwarded = true
	r.Request, r.Score = true, matter.Score
	if r.Language == "" {
		r.Language = matter.Language
	}
	for _, s := range matter.Signals {
		if s.Name == endorsement {
			continue
		}
		s.Forwarded = true
		r.Signals = append(r.Signals, s)
	}
	return r
}

func has(signals []Signal, name string) bool {
	return slices.ContainsFunc(signals, func(s Signal) bool { return s.Name == name })
}

// classify weighs one text. The topic is what it is about, in words of others:
// it can name a factor and do nothing else.
func classify(topic, subject, text string) Result {
	p := cut(topic, subject, text)
	r := Result{Language: p.mean()}
	p.terms()
	p.topic(topic)
	p.bind()
	r.Signals, r.Reply = p.signals()
	r.Self = has(r.Signals, "about-self") && !has(r.Signals, "about-other")
	sum := bias
	for _, s := range r.Signals {
		sum += s.Weight
	}
	// Two digits: the number is an order of magnitude, and it stays the same on
	// every machine.
	r.Score = math.Round(100/(1+math.Exp(-sum))) / 100
	r.Request = sum >= 0
	return r
}

// topic leaves the words before the subject the naming of a factor only.
func (p *prose) topic(topic string) {
	for i := range p.words {
		if w := &p.words[i]; w.start < len(topic) {
			w.classes &= anyFactor
			w.entry = &unlisted
		}
	}
}

// mean looks every word up, and returns the language of the text.
func (p *prose) mean() string {
	var v votes
	for i := range p.words {
		w := &p.words[i]
		w.entry = known.lexicon.lookup(p.text(w))
		v.add(w.small)
	}
	p.rejoin()
	p.spoken = v.spoken()
	for i := range p.words {
		p.words[i].classes = p.words[i].in(p.spoken)
	}
	return v.language()
}

// rejoin reads a long word that a hyphen cut at the end of a line
// ("authenti-\nficatie") as one, when the whole is a listed word.
func (p *prose) rejoin() {
	for i := 0; i+1 < len(p.words); i++ {
		a, b := &p.words[i], &p.words[i+1]
		between := p.raw[a.end:b.start]
		if len(between) < 2 || len(between) > 6 || between[0] != '-' || strings.Trim(between[1:], " \t\r\n") != "" || !strings.Contains(between, "\n") {
			continue
		}
		// The folded forms lie side by side in the buffer.
		if e := known.lexicon.lookup(p.folded[a.at:b.to]); len(e.senses) > 0 {
			a.entry, b.entry = e, &unlisted
		}
	}
}

// terms gives the words the meanings they have together only.
func (p *prose) terms() {
	listed := make([]int, 0, len(p.words)/2+1) // the words that any pattern could begin at
	present := make([]bool, known.lexicon.next+1)
	var meant class
	for i := range p.words {
		if w := &p.words[i]; w.literal != 0 || w.classes != 0 {
			listed = append(listed, i)
			present[w.literal] = true
			meant |= w.classes
		}
	}
	for i := range known.terms {
		t := &known.terms[i]
		if t.tongue&p.spoken == 0 || !t.pattern[0].couldBegin(present, meant) {
			continue
		}
		for _, i := range listed {
			if last, ok := t.match(p.words, i); ok {
				p.mark(i, last, t)
				meant |= t.class
			}
		}
	}
}

func (p *prose) mark(first, last int, t *term) {
	if !t.away {
		p.words[first].classes |= t.class
		p.words[first].last = max(p.words[first].last, int32(last))
		return
	}
	for j := first; j <= last; j++ {
		p.words[j].classes &^= t.class
	}
}

// reach is how far from a verb its object is looked for.
const reach = 8

// bind decides what each "reset" or "remove" is about: the nearest thing in its
// sentence. With a password, a server or a DNS zone nearer than any factor, the
// word no longer asks for what we look for.
func (p *prose) bind() {
	for i := range p.words {
		if p.words[i].classes&action == 0 {
			continue
		}
		if p.nearest(i, object|domain) < p.nearest(i, anyFactor) {
			p.words[i].classes = p.words[i].classes&^action | elsewhere
		}
	}
}

// nearest is the distance in words from i to the nearest word of class c in the
// same sentence, or more than reach.
func (p *prose) nearest(i int, c class) int {
	for d := 0; d <= reach; d++ {
		for _, j := range [2]int{i + d, i - d} {
			if j >= 0 && j < len(p.words) && p.words[j].sentence == p.words[i].sentence && p.words[j].classes&c != 0 {
				return d
			}
		}
	}
	return reach + 1
}

// signals runs the rules over the words, in the order of the table.
func (p *prose) signals() ([]Signal, Reply) {
	var present class
	var where [64][2]int // byte range of each rule's first match; end 0 is none
	for i := range p.words {
		present |= p.words[i].classes
		known.begins.each(&p.words[i], func(k int) {
			c := &known.rules[k]
			if where[c.rule][1] != 0 || c.tongue&p.spoken == 0 {
				return
			}
			if last, ok := c.match(p.words, i); ok {
				where[c.rule] = [2]int{p.words[i].start, p.words[max(last, int(p.words[last].last))].end}
			}
		})
	}
	found := []Signal{}
	var kind Reply
	for i := range rules {
		r := &rules[i]
		if where[i][1] == 0 || r.needs != 0 && present&r.needs == 0 {
			continue
		}
		text := strings.ToValidUTF8(p.raw[where[i][0]:where[i][1]], "\ufffd")
		found = append(found, Signal{Name: r.name, Text: text, Weight: r.weight})
		if r.reply.before(kind) {
			kind = r.reply
		}
	}
	return found, kind
}
