package panel

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// showCodes shows backup codes, in this one answer.
func (v *visit) showCodes(status int, codes []string, problem string) error {
	s := v.sheet("codes", "codes.title")
	s.Codes, s.Problem = codes, problem
	return v.show(status, s)
}

var backupCode = regexp.MustCompile(`^[0-9A-Z-]{10,24}$`)

// sent returns the codes that the page carried in its form: the server does not
// keep them, and a URL or a log must not have them.
func sent(r *http.Request) ([]string, error) {
	codes := r.PostForm["backup"]
	if len(codes) == 0 || len(codes) > 20 {
		return nil, errForm
	}
	for _, c := range codes {
		if !backupCode.MatchString(c) {
			return nil, errForm
		}
	}
	return codes, nil
}

// download gives the codes of the form back as a text file. Its name and its
// first lines say which service, whose account and of when the codes are.
func (v *visit) download() error {
	codes, err := sent(v.r)
	if err != nil {
		return err
	}
	today := time.Now().UTC().Format(time.DateOnly)
	name := fileName(v.Brand) + "-backup-codes-" + fileName(v.user.Account) + "-" + today + ".txt"
	v.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	v.w.Header().Set("Content-Disposition", `attachment; filename="`+strings.TrimLeft(name, "-")+`"`)
	var b strings.Builder
	fmt.Fprintf(&b, "%s\r\n\r\n%s: %s\r\n%s: %s\r\n\r\n", v.text("codes.file", v.Brand),
		v.text("account"), v.user.Account, v.text("codes.made"), today)
	for i, c := range codes {
		fmt.Fprintf(&b, "%2d  %s\r\n", i+1, c)
	}
	fmt.Fprintf(&b, "\r\n%s\r\n", v.text("codes.once"))
	v.w.Write([]byte(b.String())) // an error here is a reader who left
	return nil
}

// fileName keeps what every file system takes.
func fileName(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-':
			return r
		}
		return '_'
	}, s)
	return strings.Trim(s[:min(len(s), 60)], "._-")
}
