package oauth

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// run starts the token command and reads what it prints: a token alone, or the JSON of a token endpoint. It sees no
// shell and none of our own settings, and it ends with everything it started when its time is over.
func run(ctx context.Context, command []string, timeout time.Duration) (grant, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	out, complaint := &head{left: maxAnswer}, &head{left: 1 << 10}
	cmd.Stdout, cmd.Stderr = out, complaint
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "RESETDESK_") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	said, _, _ := strings.Cut(strings.TrimSpace(string(complaint.kept)), "\n")
	var exit *exec.ExitError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return grant{}, &Error{What: fmt.Sprintf("the token command did not end within %s and was stopped", timeout),
			Next: "run it by hand as the user of the service; it must not ask anything"}
	case ctx.Err() != nil:
		return grant{}, ctx.Err()
	case errors.As(err, &exit):
		return grant{}, &Error{What: fmt.Sprintf("the token command failed with %s%s", exit, quote(said)),
			Next: "run it by hand as the user of the service"}
	case err != nil:
		return grant{}, &Error{What: "the token command does not run: " + scrub(err.Error()), Stop: true,
			Next: "check the path in token_command; the program must be executable for the service"}
	case out.over:
		return grant{}, &Error{What: "the token command prints far more than a token", Stop: true, Next: "let it print the token alone"}
	}
	return readOutput(out.kept, time.Now())
}

// readOutput takes the token out of what a command printed, and when it ends if that can be told: JSON says it, and so
// does a token that is a JWT (RFC 7519 4.1.4). The signature is the mail server's matter.
func readOutput(text []byte, now time.Time) (grant, error) {
	text = bytes.TrimSpace(text)
	var answer struct {
		Token   string      `json:"access_token"`
		Expires json.Number `json:"expires_in"`
	}
	if !bytes.HasPrefix(text, []byte("{")) {
		answer.Token = string(text)
	} else if err := json.Unmarshal(text, &answer); err != nil || answer.Token == "" {
		return grant{}, &Error{What: "the token command prints JSON without an access_token", Stop: true,
			Next: `let it print the token alone, or {"access_token": "...", "expires_in": 3600}`}
	}
	if answer.Token == "" {
		return grant{}, &Error{What: "the token command printed nothing", Next: "run it by hand as the user of the service"}
	}
	g := grant{token: answer.Token, end: endOf(answer.Token)}
	if s, err := answer.Expires.Int64(); err == nil {
		g.end = now.Add(time.Duration(max(min(s, int64(longestLife/time.Second)), 0)) * time.Second)
	}
	return g, nil
}

// endOf reads the exp claim of a JWT; zero for any other token.
func endOf(token string) time.Time {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}
	}
	var claims struct {
		Exp int64 `json:"exp"`
	}
	if json.Unmarshal(raw, &claims) != nil || claims.Exp <= 0 || claims.Exp > 1<<40 {
		return time.Time{}
	}
	return time.Unix(claims.Exp, 0)
}

// head keeps the beginning of what is written to it.
type head struct {
	kept []byte
	left int
	over bool
}

func (h *head) Write(p []byte) (int, error) {
	n := min(len(p), h.left)
	h.kept, h.left = append(h.kept, p[:n]...), h.left-n
	h.over = h.over || n < len(p)
	return len(p), nil
}
