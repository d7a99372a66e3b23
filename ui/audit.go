package ui

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/chain"
)

// An auditForm is what a person chose of the audit, as it stands in the address.
type auditForm struct {
	Actor, Action, Object, From, To string
}

func readAuditForm(v url.Values) auditForm {
	get := func(name string) string { return clip(200, strings.TrimSpace(v.Get(name))) }
	return auditForm{get("actor"), get("action"), get("object"), get("from"), get("to")}
}

// filter reads the days of the form; To is the last day that is meant.
func (f auditForm) filter() (review.AuditFilter, error) {
	out := review.AuditFilter{Actor: f.Actor, Action: f.Action, Object: f.Object}
	for _, d := range []struct {
		field, text string
		to          *time.Time
		days        int
	}{{"from", f.From, &out.From, 0}, {"to", f.To, &out.To, 1}} {
		if d.text == "" {
			continue
		}
		t, err := time.Parse(time.DateOnly, d.text)
		if err != nil {
			return out, &review.Error{Kind: review.Invalid, Field: d.field, Message: "Write the day as 2026-11-23."}
		}
		*d.to = t.AddDate(0, 0, d.days)
	}
	return out, nil
}

// query is the form as part of an address.
func (f auditForm) query() url.Values {
	v := url.Values{}
	for name, text := range map[string]string{"actor": f.Actor, "action": f.Action, "object": f.Object, "from": f.From, "to": f.To} {
		if text != "" {
			v.Set(name, text)
		}
	}
	return v
}

type auditPage struct {
	Form     auditForm
	Events   []review.Event
	Actions  []string
	Verified review.Verified
	Filtered bool
	MayTake  bool
	Older    string // address of the next page, "" at the end
	Export   string
	Problem  string
}

func (s *site) showAudit(w http.ResponseWriter, r *http.Request, who review.Session) error {
	q := r.URL.Query()
	p := auditPage{Form: readAuditForm(q), Verified: s.Desk.AuditVerified(), MayTake: who.Reviewer.Role.Audits()}
	status := http.StatusOK
	f, err := p.Form.filter()
	if err != nil {
		p.Problem, status = err.Error(), http.StatusUnprocessableEntity
	}
	before, _ := strconv.ParseInt(q.Get("before"), 10, 64) // 0: from the newest
	f.Before = max(before, 0)
	if p.Problem == "" {
		if p.Events, err = s.Desk.Audit(r.Context(), who, f); err != nil {
			return err
		}
	}
	if p.Actions, err = s.Desk.AuditActions(r.Context()); err != nil {
		return err
	}
	here := p.Form.query()
	p.Filtered = len(here) > 0
	p.Export = "/audit/export?" + here.Encode()
	if n := len(p.Events); n >= review.AuditPage {
		here.Set("before", strconv.FormatInt(p.Events[n-1].Seq, 10))
		p.Older = "/audit?" + here.Encode()
	}
	return s.render(w, r, status, "audit", view{Title: "Audit", Body: p})
}

func (s *site) showAuditExport(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	return s.render(w, r, http.StatusOK, "export", view{Title: "Take out the audit", Body: readAuditForm(r.URL.Query())})
}

// exportAudit streams what the form chose. Taking it leaves an event, so it is no
// GET.
func (s *site) exportAudit(w http.ResponseWriter, r *http.Request, who review.Session) error {
	f, err := readAuditForm(r.PostForm).filter()
	if err != nil {
		return err
	}
	format := r.PostForm.Get("format")
	if format != "csv" && format != "jsonl" {
		return &review.Error{Kind: review.Invalid, Field: "format", Message: "Choose CSV or JSON lines."}
	}
	out := &auditWriter{answer: w, control: http.NewResponseController(w), format: format}
	err = s.Desk.ExportAudit(r.Context(), who, f, format, out.take)
	if err == nil {
		err = out.take(nil) // an answer even when nothing was chosen
	}
	if err != nil && out.begun { // the answer cannot become an error page any more
		s.Log.Error("audit export ended early", "error", err)
		panic(http.ErrAbortHandler)
	}
	return err
}

// An auditWriter writes events into an answer, which begins with the first.
type auditWriter struct {
	answer  http.ResponseWriter
	control *http.ResponseController
	format  string
	begun   bool
}

func (a *auditWriter) take(events []chain.Event) error {
	if !a.begun {
		a.begun = true
		kind := map[string]string{"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl"}[a.format]
		a.answer.Header().Set("Content-Type", kind)
		a.answer.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="audit-%s.%s"`, time.Now().UTC().Format("20060102-1504"), a.format))
		if a.format == "csv" {
			io.WriteString(a.answer, "number,time,actor,action,object,detail,ip,request,hash\r\n")
		}
	}
	a.control.SetWriteDeadline(time.Now().Add(time.Minute)) // not supported: the server's own holds
	out := bufio.NewWriter(a.answer)
	var err error
	if a.format == "csv" {
		err = writeCSV(out, events)
	} else {
		lines := json.NewEncoder(out)
		for i := range events {
			if err = lines.Encode(events[i]); err != nil {
				break
			}
		}
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

func writeCSV(w io.Writer, events []chain.Event) error {
	c := csv.NewWriter(w)
	c.UseCRLF = true
	for _, e := range events {
		row := []string{strconv.FormatInt(e.Seq, 10), time.UnixMicro(e.At).UTC().Format(time.RFC3339Nano), e.Actor, e.Action, e.Object, e.Detail, e.IP, e.Request, e.Hash.String()}
		for i := range row {
			row[i] = inert(row[i])
		}
		if err := c.Write(row); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// inert puts an apostrophe before what a spreadsheet would take for a formula
// (OWASP, CSV Injection).
func inert(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(cell)[0]) {
		return "'" + cell
	}
	return cell
}
