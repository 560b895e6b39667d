//go:build !linux

package testkit

import "syscall"

// endsWithUs has no such means here.
func endsWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
