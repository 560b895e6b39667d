package supervise

import "runtime"

// starter forks every child on one OS thread that lives as long as the
// process. The kernel ties the parent-death signal to the thread that forked,
// not to the process: a child forked on a thread that the Go runtime later
// ends would be killed for no reason.
type starter struct{ calls chan func() }

func newStarter() *starter {
	s := &starter{calls: make(chan func())}
	go s.loop()
	return s
}

func (s *starter) loop() {
	runtime.LockOSThread()
	for call := range s.calls {
		call()
	}
}

// do runs f on the starter's thread and returns when f has returned.
func (s *starter) do(f func()) {
	done := make(chan struct{})
	s.calls <- func() {
		defer close(done)
		f()
	}
	<-done
}
