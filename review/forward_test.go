package review_test

import (
	"slices"
	"strings"
	"testing"
)

// Staff see which of the words were not the admin's own.
func TestForwardedWordsAreMarked(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.importFile(accountsFile)
		h.deliver(request("anna@acme.example", "Fwd: help", "Can you sort this out?\n\n---------- Forwarded message ----------\nFrom: Jane <jane@acme.example>\nSubject: help\n\nI lost my phone. Please get my 2FA reset."))
		v := h.onlyCase()
		if v.UserID != "U-2" {
			t.Errorf("the case is for %q", v.UserID)
		}
		has := func(name string, forwarded bool) bool {
			return slices.ContainsFunc(v.Mails[0].Signals, func(s string) bool {
				return strings.Contains(s, name) && strings.HasSuffix(s, "(forwarded)") == forwarded
			})
		}
		if !has("endorses-forward", false) || !has("lost-device", true) {
			t.Errorf("signals %q", v.Mails[0].Signals)
		}
	})
}
