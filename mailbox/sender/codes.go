package sender

// Describe says in one sentence each what a code means to the staff who
// review the case and to the operator who runs the desk. An unknown code gives
// two empty strings.
func Describe(code string) (staff, operator string) {
	d := codes[code]
	return d[0], d[1]
}

var codes = map[string][2]string{}
