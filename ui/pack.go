package ui

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"

	"github.com/resetdesk/resetdesk/review"
)

func (s *site) showPack(w http.ResponseWriter, r *http.Request, who review.Session) error {
	v, err := s.Desk.Summary(r.Context(), r.PathValue("number"))
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "pack", view{Title: "Evidence pack of " + v.Number, Body: v})
}

// takePack hands the evidence pack out. It leaves an event, so it is no GET. A
// pack is a few MB at most: the desk bounds mails and their number.
func (s *site) takePack(w http.ResponseWriter, r *http.Request, who review.Session) error {
	number := r.PathValue("number")
	var b bytes.Buffer
	if err := s.Desk.ExportCase(r.Context(), who, number, &b); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s.zip"`, number))
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.Write(b.Bytes()) // an error here is a reader who left
	return nil
}
