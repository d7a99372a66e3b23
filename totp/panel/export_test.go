package panel

// Texts returns the texts by language and key.
func Texts() map[string]map[string]string {
	p, err := press()
	if err != nil {
		panic(err)
	}
	return p.texts
}

// Files are the templates, texts and static files.
var Files = files
