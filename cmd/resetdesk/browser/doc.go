// Package browser holds no code, only tests: the story of "resetdesk demo",
// played in a real Chromium with clicks and typing, as a visitor plays it.
//
// What the other tests cannot see is looked at here: that each page runs without
// an error in the console and without a request to anybody else, that it fits a
// telephone, that its text can be read in light and in dark, that every field has
// its label, and that everything works without scripts.
//
// It is a module of its own, so that the driver of the browser stays out of the
// program's dependencies. The driver is pinned: its later versions have another
// API.
//
// With RESETDESK_SHOTS=<folder> each page is stored there as a picture, at 390
// and at 1280 px, in light and in dark.
package browser
