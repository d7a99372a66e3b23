package review_test

import (
	"strings"
	"testing"
)

// Promise 3: whatever addresses a mail names, letters go to stored ones.
func TestRecipientsAreStored(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		names := "Reply-To: mallory@stranger.example\nSender: mallory@stranger.example\nReturn-Path: <mallory@stranger.example>\nCc: mallory@stranger.example\nTo:"
		h.deliver(strings.Replace(request("anna@acme.example", "2FA reset", forUser("jane")), "To:", names, 1))
		letters := h.post()
		if len(letters) != 4 {
			t.Errorf("%d letters, want the acknowledgement and three notices", len(letters))
		}
		for _, l := range letters {
			if strings.Contains(string(l.raw), "mallory") || h.count(`SELECT count(*) FROM address WHERE account_id = 'A-1001' AND address = $1`, l.to) == 0 {
				t.Errorf("a letter to %s", l.to)
			}
		}
	})
}
