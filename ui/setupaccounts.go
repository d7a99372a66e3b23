package ui

import (
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// The file of accounts that a browser may send. A larger one is imported on the
// host, or over the API.
const (
	uploadPath   = "/setup/accounts"
	uploadLimit  = 4 << 20
	parkedFor    = 15 * time.Minute
	previewed    = 5 // rows shown of it
	uploadTooBig = "The file is larger than 4 MiB. Import it on the host: resetdesk accounts import FILE.csv"
)

// parkedAccounts are accounts that an admin uploaded and has not confirmed: the
// rows, and what the import would do.
type parkedAccounts struct {
	Token    string
	Report   review.ImportReport
	First    []review.AccountRow
	rows     []review.AccountRow
	reviewer int64
	until    time.Time
}

// A parkedFile is the one upload that waits, in memory alone: the next one takes
// its place, and a restart asks for it again.
type parkedFile struct {
	sync.Mutex
	file *parkedAccounts
}

func (p *parkedFile) put(f *parkedAccounts) {
	p.Lock()
	defer p.Unlock()
	p.file = f
}

// of is the upload that waits for who, nil if there is none.
func (p *parkedFile) of(who review.Session) *parkedAccounts {
	p.Lock()
	defer p.Unlock()
	if p.file != nil && !time.Now().Before(p.file.until) {
		p.file = nil
	}
	if p.file == nil || p.file.reviewer != who.Reviewer.ID {
		return nil
	}
	return p.file
}

// drop forgets the upload, unless another one has taken its place.
func (p *parkedFile) drop(f *parkedAccounts) {
	p.Lock()
	defer p.Unlock()
	if p.file == f {
		p.file = nil
	}
}

// tryAccounts reads an uploaded file and finds out what importing it would do. It
// changes no account.
func (s *site) tryAccounts(w http.ResponseWriter, r *http.Request, who review.Session) error {
	rows, err := uploadedAccounts(r)
	var report review.ImportReport
	if err == nil {
		report, err = s.Desk.TryImport(r.Context(), who, rows)
	}
	if err != nil {
		return s.refuseAccounts(w, r, who, err)
	}
	s.parked.put(&parkedAccounts{Token: rand.Text(), Report: report, First: rows[:min(len(rows), previewed)], rows: rows,
		reviewer: who.Reviewer.ID, until: time.Now().Add(parkedFor)})
	http.Redirect(w, r, uploadPath, http.StatusSeeOther)
	return nil
}

// uploadedAccounts reads the file out of the form as it comes in: nothing of it is
// kept on disk.
func uploadedAccounts(r *http.Request) ([]review.AccountRow, error) {
	form, err := r.MultipartReader()
	if err != nil {
		return nil, errForm
	}
	for {
		part, err := form.NextPart()
		var size *http.MaxBytesError
		switch {
		case errors.As(err, &size):
			return nil, &review.Error{Kind: review.Invalid, Message: uploadTooBig}
		case err != nil:
			return nil, errForm
		case part.FormName() != "file":
			continue
		}
		rows, err := review.ReadAccounts(part)
		switch {
		case errors.As(err, &size):
			return nil, &review.Error{Kind: review.Invalid, Message: uploadTooBig}
		case errors.Is(err, io.ErrUnexpectedEOF):
			return nil, errForm
		}
		return rows, err
	}
}

// refuseAccounts shows what a person can mend on the page of the accounts.
func (s *site) refuseAccounts(w http.ResponseWriter, r *http.Request, who review.Session, err error) error {
	var problems *review.AccountsError
	var refused *review.Error
	status := http.StatusUnprocessableEntity
	switch {
	case errors.As(err, &problems):
	case errors.As(err, &refused) && refused.Kind != review.Denied:
		status = statusOf(refused.Kind)
	default:
		return err
	}
	return s.renderStep(w, r, status, who, "accounts", func(p *setupPage) { p.Problems, p.Refused = problems, refused })
}

// importAccounts does what the page announced.
func (s *site) importAccounts(w http.ResponseWriter, r *http.Request, who review.Session) error {
	f := s.parked.of(who)
	if r.PostForm.Get("do") == "drop" {
		s.parked.drop(f)
		http.Redirect(w, r, uploadPath, http.StatusSeeOther)
		return nil
	}
	if f == nil || f.Token != r.PostForm.Get("upload") {
		return s.refuseAccounts(w, r, who, &review.Error{Kind: review.Conflict, Message: "That upload is gone: another one took its place, or 15 minutes are over. Upload the file again."})
	}
	report, err := s.Desk.ImportTried(r.Context(), who, r.PostForm.Get("code"), f.rows, f.Report)
	if review.KindOf(err) == review.Stale {
		s.parked.drop(f)
	}
	if err != nil {
		return s.refuseAccounts(w, r, who, err)
	}
	s.parked.drop(f)
	s.say(w, "Imported: "+plural(report.Accounts, "account")+" with "+plural(report.Users, "user")+".")
	http.Redirect(w, r, uploadPath, http.StatusSeeOther)
	return nil
}
