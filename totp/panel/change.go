package panel

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// proof is what the form proves the right to a change with: a current code, or
// the enrollment pass.
func (v *visit) proof() totp.Proof {
	return totp.Proof{Code: v.r.PostForm.Get("code"), Pass: v.r.PostForm.Get("pass")}
}

// again returns how a page with a question is shown once more, with a problem.
func (v *visit) again(name string) func(int, string) error {
	return func(status int, problem string) error { return v.ask(name, status, problem) }
}

func (v *visit) askReplace() error { return v.ask("replace", http.StatusOK, "") }
func (v *visit) askRenew() error   { return v.ask("renew", http.StatusOK, "") }
func (v *visit) askAdd() error     { return v.ask("add", http.StatusOK, "") }
func (v *visit) askRemove() error  { return v.ask("remove", http.StatusOK, "") }
func (v *visit) askOff() error     { return v.ask("off", http.StatusOK, "") }

// ask shows a page that asks for a current code before a change, and the way back
// to somebody who has nothing to change.
func (v *visit) ask(name string, status int, problem string) error {
	s, err := v.standing(name, name+".title")
	if err != nil {
		return err
	}
	if !s.Status.Enrolled || s.Status.Frozen {
		return v.redirect("")
	}
	s.Problem = problem
	if name == "remove" {
		id := v.device()
		i := slices.IndexFunc(s.Devices, func(d totp.Device) bool { return d.ID == id })
		if i < 0 {
			return v.showHome(http.StatusNotFound, v.text("say.nodevice"))
		}
		s.Device = s.Devices[i]
		s.Title = v.text("remove.title", visible(s.Name(s.Device)))
	}
	return v.show(status, s)
}

// renew replaces the backup codes and shows the new ones, once.
func (v *visit) renew() error {
	codes, err := v.Book.RenewBackupCodes(v.r.Context(), v.user.ID, v.proof())
	if err != nil {
		return v.refused(err, v.again("renew"))
	}
	return v.showCodes(http.StatusOK, codes, "")
}

// replace begins with a key that takes the place of all others once it is proved.
func (v *visit) replace() error {
	e, err := v.Book.Begin(v.r.Context(), v.user.ID, v.user.Account, v.proof())
	return v.begun(e, err, v.again("replace"))
}

// add begins with a key that works beside the one there is.
func (v *visit) add() error {
	name := strings.TrimSpace(v.r.PostForm.Get("name"))
	if name == "" {
		return v.again("add")(http.StatusUnprocessableEntity, v.text("say.name"))
	}
	e, err := v.Book.BeginDevice(v.r.Context(), v.user.ID, v.user.Account, name, v.proof())
	return v.begun(e, err, v.again("add"))
}

// device is the id of the device in the address.
func (v *visit) device() int64 {
	id, _ := strconv.ParseInt(v.r.URL.Query().Get("device"), 10, 64)
	return id
}

func (v *visit) remove() error {
	err := v.Book.RemoveDevice(v.r.Context(), v.user.ID, v.device(), v.proof())
	switch {
	case errors.Is(err, totp.ErrConflict):
		return v.showHome(http.StatusConflict, v.text("say.nodevice"))
	case err != nil:
		return v.refused(err, v.again("remove"))
	}
	return v.redirect("?said=removed")
}

func (v *visit) turnOff() error {
	if err := v.Book.TurnOff(v.r.Context(), v.user.ID, v.proof()); err != nil {
		return v.refused(err, v.again("off"))
	}
	return v.redirect("?said=off")
}

// said is the sentence about what has just been done, "" for none. An address
// that was kept says nothing that the state of the factor has overtaken.
func (v *visit) said(enrolled bool) string {
	word := v.r.URL.Query().Get("said")
	if v.r.Method != http.MethodGet || !slices.Contains([]string{"added", "removed", "off"}, word) || enrolled == (word == "off") {
		return ""
	}
	return v.text("said." + word)
}

// Name is what a device is called.
func (s *sheet) Name(d totp.Device) string {
	if d.Name == "" {
		return s.text("device.unnamed")
	}
	return d.Name
}

// Hold reports whether a reset can still be undone.
func (s *sheet) Hold() bool { return s.Status.HoldUntil.After(time.Now()) }

// Locked reports whether no code is accepted now.
func (s *sheet) Locked() bool { return s.Status.LockedUntil.After(time.Now()) }

// Told is a line of the history in words.
func (s *sheet) Told(e totp.Event) string {
	text, ok := s.texts[s.lang]["event."+string(e.Kind)]
	if !ok {
		text = s.text("event.other")
	}
	if e.Detail != "" && (e.Kind == totp.EventDeviceAdded || e.Kind == totp.EventDeviceRemoved) {
		text += ": " + e.Detail
	}
	return text
}

// Otherwise is the address of this page with the field for the other kind of
// code.
func (s *sheet) Otherwise() string {
	q := s.r.URL.Query()
	if s.Backup() {
		q.Del("with")
	} else {
		q.Set("with", "backup")
	}
	return (&url.URL{RawQuery: q.Encode(), ForceQuery: true}).String()
}

// Backup reports whether the field is for a backup code: a telephone then shows
// letters and not only digits.
func (s *sheet) Backup() bool { return s.r.URL.Query().Get("with") == "backup" }
