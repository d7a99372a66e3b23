package doctor

import "github.com/resetdesk/resetdesk/mailbox/sender"

// JudgeTrust is what check 8 says of these headers, and the trust it advises.
func JudgeTrust(configured sender.Trust, headers [][]byte) (Finding, sender.Trust) {
	o := orderOf(headers)
	f := (&Subject{Config: "resetdesk.toml", Box: Box{Trust: configured}}).judgeTrust(o)
	f.Detail = o.lines()
	return f, o.advice()
}
