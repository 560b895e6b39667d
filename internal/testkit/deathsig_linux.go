package testkit

import "syscall"

// endsWithUs makes a process end with this one, also when this one is killed.
func endsWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
