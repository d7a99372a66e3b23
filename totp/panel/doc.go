// Package panel is the pages of the second factor for a control panel: setting
// it up, the backup codes, what there is to see and to change afterwards, and the
// question for the code at a login. A panel mounts them and writes none itself.
//
// [New] takes what the pages must know of the panel, above all whose request it
// is, and gives one handler for everything below a path. [Pages.Challenge] is the
// step of the login between the password and the panel.
//
// What the pages hold to:
//
//   - No GET changes anything.
//   - The factor is active from the first code that proved it ([totp.Book.Confirm]),
//     not from "Finish" on the page with the backup codes: whoever closes the tab
//     there has a second factor, and makes new codes later with one of its codes.
//   - The key is shown to the browser that began, and only until it is proved.
//     Backup codes are in one answer; a reload does not bring them back.
//   - They work without scripts. Style and script are files of their own, nothing
//     is inline, so the strictest Content-Security-Policy fits, and is sent.
//   - Requests from other sites are refused. Pages are not cached, send no referrer
//     and take at most 64 KB.
//   - One field for a code, into which pasting works and which password managers
//     fill.
//
// # Branding
//
// The style sheet takes these variables, set on :root in the panel's own style
// sheet: --panel-accent and --panel-on-accent (the main button and its text),
// --panel-danger, --panel-link, --panel-text, --panel-muted, --panel-background,
// --panel-surface, --panel-sunk (fields of codes), --panel-line, --panel-edge
// (borders of buttons), --panel-radius, --panel-font and --panel-mono. Each may
// be light-dark(…, …). [Config.Frame] puts the pages into the panel's own frame.
package panel
