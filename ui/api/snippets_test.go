package api_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/ui/api"
)

const snippetSays = `account %s with 2 users
enrolled, 10 backup codes
let in by totp, 10 backup codes left
this code was just used
renewed, 10 backup codes
on, 10 backup codes left, no hold
webhook genuine, changed forged
`

// The snippets of the documentation run against the real thing, over a network
// that loses the answer of every third change.
func TestSnippets(t *testing.T) {
	h := newHouse(t, t.TempDir())
	url := h.listen(t)
	for name, s := range map[string]struct{ program, account string }{"panel.php": {"php", "A-PHP"}, "panel.py": {"python3", "A-PYTHON"}, "panel.mjs": {"node", "A-NODE"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(s.program); err != nil {
				if os.Getenv("CI") == "true" {
					t.Fatalf("%s is not here; .ci/needs installs it", s.program)
				}
				t.Skipf("%s is not here", s.program)
			}
			if left := 30 - time.Now().Unix()%30; left < 5 { // a code must not age on its way
				time.Sleep(time.Duration(left) * time.Second)
			}
			ctx, stop := context.WithTimeout(t.Context(), 60*time.Second)
			defer stop()
			c := exec.CommandContext(ctx, s.program, "../../docs/snippets/"+name)
			c.Env = append(append(os.Environ(), "RESETDESK_URL="+url, "RESETDESK_KEY="+h.key), webhook()...)
			out, err := c.CombinedOutput()
			if want := fmt.Sprintf(snippetSays, s.account); err != nil || string(out) != want {
				t.Errorf("%v\n%s\nwant\n%s", err, out, want)
			}
		})
	}
}

// webhook signs a body as Standard Webhooks says, for a snippet's environment.
func webhook() []string {
	key, id, at, body := []byte("a key of twenty-four byte"), "evt_1", fmt.Sprint(time.Now().Unix()), `{"type":"case.created"}`
	mac := hmac.New(sha256.New, key)
	io.WriteString(mac, id+"."+at+"."+body)
	return []string{"WEBHOOK_SECRET=whsec_" + base64.StdEncoding.EncodeToString(key), "WEBHOOK_ID=" + id, "WEBHOOK_TIMESTAMP=" + at, "WEBHOOK_BODY=" + body,
		"WEBHOOK_SIGNATURE=v1,bm90IHRoaXM= v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))}
}

// listen serves the API on loopback. The answer of every third change is lost:
// done, but reported failed.
func (h *house) listen(t *testing.T) string {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	url := "http://" + server.Listener.Addr().String()
	real, err := api.New(api.Config{Desk: h.desk, BaseURL: url})
	if err != nil {
		t.Fatal(err)
	}
	changes := make(chan int, 1)
	changes <- 0
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			n := <-changes + 1
			changes <- n
			if n%3 == 0 {
				real.ServeHTTP(httptest.NewRecorder(), r)
				panic(http.ErrAbortHandler)
			}
		}
		real.ServeHTTP(w, r)
	})
	server.Start()
	t.Cleanup(server.Close)
	return url
}
