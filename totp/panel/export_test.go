package panel

// Texts returns the texts by language and key.
func Texts() map[string]map[string]string {
	p, err := press()
	if err != nil {
		panic(err)
	}
	return p.texts
}

// Language returns the language of a page for an Accept-Language header.
func Language(wanted string) string {
	p, err := press()
	if err != nil {
		panic(err)
	}
	return p.language(wanted)
}

// FileName and Visible are what names go through.
var (
	FileName = fileName
	Visible  = visible
)

// Files are the templates, texts and static files.
var Files = files
