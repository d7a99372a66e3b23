package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// A source is where the person sits whom the panel acts for. Every body about a
// factor may have it.
type source struct {
	IP    string `json:"ip"`
	Agent string `json:"agent"`
}

// of returns the context of an act that comes from the person.
func (s source) of(c *call) context.Context {
	return totp.WithSource(c.Context(), totp.Source{IP: s.IP, Agent: s.Agent})
}

// user returns whose factor the path names. The reviewers' own factors stand in
// the same book, and no key reaches them.
func (c *call) user() (string, error) {
	id := c.PathValue("id")
	if before, _, ok := strings.Cut(id, ":"); ok && strings.EqualFold(before, "staff") {
		return "", fromBook(totp.ErrUnknownUser)
	}
	return id, nil
}

// known is the user of the path, who was made known: a list of nobody is not empty.
func (s *server) known(c *call) (string, error) {
	user, err := c.user()
	if err != nil {
		return "", err
	}
	_, err = s.Desk.Book().Status(c.Context(), user)
	return user, err
}

// about reads the user of the path and the body into v.
func (c *call) about(v any) (string, error) {
	user, err := c.user()
	if err != nil {
		return "", err
	}
	return user, c.decode(v)
}

type enrollmentBody struct {
	Account string `json:"account"`
	Name    string `json:"name"`
	Code    string `json:"code"`
	Pass    string `json:"pass"`
	source
}

// beginEnrollment starts an authenticator in the place of all there are.
func (s *server) beginEnrollment(c *call) (answer, error) {
	var b enrollmentBody
	user, err := c.about(&b)
	if err != nil {
		return answer{}, err
	}
	if b.Name != "" {
		return answer{}, unknownMember("name")
	}
	return begun(b.Account, func() (totp.Enrollment, error) {
		return s.Desk.Book().Begin(b.of(c), user, b.Account, totp.Proof{Code: b.Code, Pass: b.Pass})
	})
}

// beginDevice starts a second authenticator beside the one there is.
func (s *server) beginDevice(c *call) (answer, error) {
	var b enrollmentBody
	user, err := c.about(&b)
	if err != nil {
		return answer{}, err
	}
	if b.Pass != "" {
		return answer{}, unknownMember("pass")
	}
	return begun(b.Account, func() (totp.Enrollment, error) {
		return s.Desk.Book().BeginDevice(b.of(c), user, b.Account, b.Name, totp.Proof{Code: b.Code})
	})
}

// begun answers a new enrollment with everything that the user is shown once.
func begun(account string, begin func() (totp.Enrollment, error)) (answer, error) {
	if _, err := totp.Generate(totp.Options{Issuer: "issuer", Account: account}); err != nil {
		return answer{}, invalid("account", "account is the label in the user's authenticator: a name of at most 120 bytes without a colon.")
	}
	e, err := begin()
	if err != nil {
		return answer{}, err
	}
	value, err := enrollment(e)
	return answer{status: http.StatusCreated, value: value}, err
}

// enrollment is everything of an enrollment that its user sees.
func enrollment(e totp.Enrollment) (map[string]any, error) {
	svg, err := e.Key.SVG()
	if err != nil {
		return nil, err
	}
	return map[string]any{"enrollment": e.ID, "secret": e.Key.Secret().Base32(),
		"grouped": e.Key.Grouped(), "uri": e.Key.URI(), "svg": string(svg), "expires_at": e.Expires}, nil
}

// pending shows an enrollment again to the browser that began it.
func (s *server) pending(c *call) (answer, error) {
	var b struct {
		Enrollment string `json:"enrollment"`
	}
	user, err := c.about(&b)
	if err != nil {
		return answer{}, err
	}
	e, err := s.Desk.Book().Pending(c.Context(), user, b.Enrollment)
	if err != nil {
		return answer{}, err
	}
	value, err := enrollment(e)
	return ok(value), err
}

// confirm proves an enrollment and answers the backup codes, none for a device
// that was added.
func (s *server) confirm(c *call) (answer, error) {
	var b struct {
		Enrollment string `json:"enrollment"`
		Code       string `json:"code"`
		source
	}
	user, err := c.about(&b)
	if err != nil {
		return answer{}, err
	}
	codes, err := s.Desk.Book().Confirm(b.of(c), user, b.Enrollment, b.Code)
	return codesAnswer(codes), err
}

func codesAnswer(codes []string) answer {
	if codes == nil {
		codes = []string{}
	}
	return ok(map[string]any{"codes": codes})
}

// A proofBody is a current code, good for this one request.
type proofBody struct {
	Code string `json:"code"`
	source
}

func (b proofBody) proof() totp.Proof { return totp.Proof{Code: b.Code} }

func (s *server) renewCodes(c *call) (answer, error) {
	var b proofBody
	user, err := c.about(&b)
	if err != nil {
		return answer{}, err
	}
	codes, err := s.Desk.Book().RenewBackupCodes(b.of(c), user, b.proof())
	return codesAnswer(codes), err
}

func (s *server) turnOff(c *call) (answer, error) {
	var b proofBody
	user, err := c.about(&b)
	if err != nil {
		return answer{}, err
	}
	return gone, s.Desk.Book().TurnOff(b.of(c), user, b.proof())
}

func (s *server) removeDevice(c *call) (answer, error) {
	var b proofBody
	user, err := c.about(&b)
	if err != nil {
		return answer{}, err
	}
	device, err := strconv.ParseInt(c.PathValue("device"), 10, 64)
	if err != nil {
		return answer{}, newProblem(notFound, "There is no such device.")
	}
	return gone, s.Desk.Book().RemoveDevice(b.of(c), user, device, b.proof())
}

func (s *server) listDevices(c *call) (answer, error) {
	user, err := s.known(c)
	if err != nil {
		return answer{}, err
	}
	devices, err := s.Desk.Book().Devices(c.Context(), user)
	if err != nil {
		return answer{}, err
	}
	list := []map[string]any{}
	for _, d := range devices {
		list = append(list, map[string]any{"id": d.ID, "name": d.Name, "since": d.Since, "last_used": moment(d.LastUsed)})
	}
	return ok(map[string]any{"devices": list}), nil
}

// moment is a time for JSON, null when it does not apply.
func moment(t time.Time) any {
	if t.IsZero() || t.Unix() == 0 {
		return nil
	}
	return t.UTC()
}

// status answers everything that may be shown of a user's factor.
func (s *server) status(c *call) (answer, error) {
	user, err := c.user()
	if err != nil {
		return answer{}, err
	}
	x, err := s.Desk.Book().Status(c.Context(), user)
	if err != nil {
		return answer{}, err
	}
	return ok(map[string]any{"enrolled": x.Enrolled, "devices": x.Devices, "since": moment(x.Since), "last_used": moment(x.LastUsed),
		"codes_left": x.CodesLeft, "generation": x.Generation, "exempt": x.APIOnly, "required": x.Required, "required_from": moment(x.RequiredFrom),
		"pass_required": x.PassRequired, "hold_until": moment(x.HoldUntil), "sessions_from": moment(x.SessionsFrom),
		"locked_until": moment(x.LockedUntil), "frozen": x.Frozen, "failures": x.Failures, "alarm": x.Alarm}), nil
}

// A verdict is what became of a code, always with the same members.
type verdict struct {
	OK         bool   `json:"ok"`
	Method     string `json:"method"` // totp, backup_code, or none
	CodesLeft  int    `json:"codes_left"`
	Exempt     bool   `json:"exempt"`
	Reason     string `json:"reason"`      // when not ok: the name of the problem
	RetryAfter int64  `json:"retry_after"` // seconds until the next code, when this one was used
	Drift      int64  `json:"drift"`       // seconds that the device's clock is off, when that is why
}

// verify answers a wrong code with 200 and ok false: it is no error of the panel.
// A lock, a freeze and a user without a factor are problems.
func (s *server) verify(c *call) (answer, error) {
	var b struct {
		Code    string `json:"code"`
		Channel string `json:"channel"`
		source
	}
	user, err := c.about(&b)
	if err != nil {
		return answer{}, err
	}
	channel, known := map[string]totp.Channel{"web": totp.Web, "api": totp.API}[b.Channel]
	if !known {
		return answer{}, invalid("channel", `channel is "web" for a login of a person, "api" for one of a program.`)
	}
	res, err := s.Desk.Book().Verify(b.of(c), user, b.Code, channel)
	var used *totp.UsedError
	var drift *totp.DriftError
	v := verdict{OK: err == nil, Method: string(res.Method), CodesLeft: res.CodesLeft, Exempt: res.Exempt}
	switch {
	case errors.As(err, &used):
		v.Reason, v.RetryAfter = codeUsed.name, int64(used.RetryAfter/time.Second)
	case errors.As(err, &drift):
		v.Reason, v.Drift = codeInvalid.name, int64(drift.Drift/time.Second)
	case errors.Is(err, totp.ErrInvalidCode):
		v.Reason = codeInvalid.name
	case err != nil:
		return answer{}, err
	}
	if v.Method == "" {
		v.Method = "none"
	}
	return ok(v), nil
}

// guard answers whether a sensitive act may be done now.
func (s *server) guard(c *call) (answer, error) {
	var b struct {
		Action string `json:"action"`
	}
	user, err := c.about(&b)
	if err != nil {
		return answer{}, err
	}
	if b.Action == "" || len(b.Action) > 80 {
		return answer{}, invalid("action", "action names the act in at most 80 characters, such as transfer domain.")
	}
	var hold *totp.HoldError
	reason, until := "", time.Time{}
	err = s.Desk.Book().Guard(c.Context(), user, totp.Action(b.Action))
	switch {
	case errors.As(err, &hold):
		reason, until = holdKind.name, hold.Until
	case errors.Is(err, totp.ErrFrozen):
		reason = frozenKind.name
	case err != nil:
		return answer{}, err
	}
	return ok(map[string]any{"allowed": err == nil, "reason": reason, "until": moment(until)}), nil
}

const maxHistory = 200

// history lists what happened to a user's factors, newest first.
func (s *server) history(c *call) (answer, error) {
	user, err := s.known(c)
	if err != nil {
		return answer{}, err
	}
	limit, err := c.limit(maxHistory)
	if err != nil {
		return answer{}, err
	}
	events, err := s.Desk.Book().History(c.Context(), user, limit)
	if err != nil {
		return answer{}, err
	}
	list := []map[string]any{}
	for _, e := range events {
		list = append(list, map[string]any{"id": e.ID, "generation": e.Generation, "kind": e.Kind, "at": e.At, "ip": e.Source.IP, "agent": e.Source.Agent, "detail": e.Detail})
	}
	return ok(map[string]any{"events": list}), nil
}
