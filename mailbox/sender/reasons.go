package sender

// Flag is what a [Reason] forces that lowers nothing.
const Flag State = ""

// Reason is a row of the one table of codes: what it does to a verdict, and
// what it means.
type Reason struct {
	Code string
	// Forces is where a verdict with this reason stands at best; [Flag] if the
	// code only asks for a look. F_DISPLAY_SPOOF alone can be either.
	Forces State
	// Staff says in a sentence what it means to the people who review the case.
	Staff string
	// Operator says what was found, and what to do about it.
	Operator string
}

// Reasons returns the whole table, in the order of sender-verification.
func Reasons() []Reason { return append([]Reason(nil), table...) }

// Describe says in one sentence each what a code means to the staff who
// review the case and to the operator who runs the desk. An unknown code gives
// two empty strings.
func Describe(code string) (staff, operator string) {
	r := byCode[code]
	return r.Staff, r.Operator
}

var byCode = func() map[string]Reason {
	m := make(map[string]Reason, len(table))
	for _, r := range table {
		m[r.Code] = r
	}
	return m
}()

// forces returns where a code puts a verdict. What is not in the table is a
// mistake of ours and counts as the worst.
func forces(code string) State {
	r, known := byCode[code]
	switch {
	case !known:
		return Quarantine
	case r.Forces == Flag:
		return Authenticated
	}
	return r.Forces
}
