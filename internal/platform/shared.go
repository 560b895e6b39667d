package platform

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/tale-project/tale-runtime/internal/doctor"
	"github.com/tale-project/tale-runtime/internal/report/status"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// sharedLimit bounds the look at the settings of convex in a boot, for a network that drops the
// packets. In a container network the answer takes a millisecond.
const sharedLimit = time.Second

// convexStatus asks the status port of convex. It takes it that STATUS_ADDR has the same port in
// both containers, as where it comes from one .env; elsewhere somebody else answers, or nobody.
func (s *session) convexStatus(ctx context.Context) (document status.Document, address string, err error) {
	_, port, err := net.SplitHostPort(s.settings.Boot.StatusAddr)
	if err != nil {
		return document, "", errors.New("STATUS_ADDR names no port, so the one of convex is not known")
	}
	address = net.JoinHostPort(hostOf(s.settings.Backend.ConvexURL), port)
	document, err = status.Source{Addr: address}.Fetch(ctx)
	return document, address, err
}

// differences returns what convex has set to something else, with both values.
func (s *session) differences(ctx context.Context) ([]string, error) {
	document, address, err := s.convexStatus(ctx)
	if err == nil && (document.Service != "convex" || document.Shared == nil) {
		err = fmt.Errorf("the status at %s does not tell the settings of convex", address)
	}
	here := stack.SharedBy(s.settings.Pushed.Site, s.settings.Pushed.Database)
	var each []string
	for _, name := range here.Differs(document.Shared) {
		each = append(each, fmt.Sprintf("%s is %q here and %q in convex", name, here[name], document.Shared[name]))
	}
	return each, err
}

func fixDifferences() string {
	return "if that is not meant, set it once, in " + place.Here().Settings() + " or whatever gives it to one of them, for both services; then " + place.Here().Recreate("convex", "platform")
}

func (s *session) checkShared(ctx context.Context) (string, error) {
	each, err := s.differences(ctx)
	switch {
	case err != nil:
		return "", doctor.Skipped(err.Error())
	case each != nil:
		return "", doctor.Warning(doctor.WithFix(errors.New(strings.Join(each, "; ")), fixDifferences()))
	}
	return "convex has the same", nil
}

// warnOfDifferences looks beside a stage of the boot, until wait is called. The policies of
// deploy/kubernetes keep pods from the status port of convex.
func (b *Boot) warnOfDifferences(ctx context.Context) (wait func()) {
	if place.InPod() {
		return func() {}
	}
	var looking sync.WaitGroup
	looking.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, sharedLimit)
		defer cancel()
		if each, _ := b.differences(ctx); each != nil {
			b.log.Warn("settings that platform and convex share are not equal", "differ", strings.Join(each, "; "), "fix", fixDifferences())
		}
	})
	return looking.Wait
}
