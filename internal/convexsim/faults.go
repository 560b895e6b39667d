package convexsim

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"

	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
)

type faultsKey struct{}

// faultsOf returns the faults that were taken for a request, for handlers whose
// answer they change.
func faultsOf(r *http.Request) []*fault.Active {
	faults, _ := r.Context().Value(faultsKey{}).([]*fault.Active)
	return faults
}

// answer answers a request by its route, unless the faults in force replace the
// answer.
func (s *Server) answer(rec *recorder, w http.ResponseWriter, r *http.Request, rt route) {
	faults := s.faults.Take(rt.stage)
	r = r.WithContext(context.WithValue(r.Context(), faultsKey{}, faults))
	for _, fault := range faults {
		rec.entry.Fault = fault.ID
		if s.apply(w, r, rt, fault) {
			return
		}
	}
	if err := rt.handle(w, r); err != nil {
		if protocol.IsInternal(err) {
			s.logError("error", err.Error())
		}
		s.log.Debug("request refused", "stage", rt.stage, "error", err)
		if refused, ok := errors.AsType[*protocol.Failure](err); ok && refused.Logged != "" {
			// The words of crates/common/src/errors.rs.
			s.log.Error("Caught error error (RUST_BACKTRACE=1 RUST_LOG=info,common::errors=debug for full trace): " + refused.Logged)
		}
		s.readRest(r)
		protocol.WriteFailure(w, err)
	}
}

// readRest takes in the body of a request that is refused: a client that still
// sends when the connection is closed would not see the answer.
func (s *Server) readRest(r *http.Request) {
	_, _ = io.CopyN(io.Discard, r.Body, s.options.MaxPushBytes)
}

// apply applies one fault to a request. It reports whether the request is
// over.
func (s *Server) apply(w http.ResponseWriter, r *http.Request, rt route, fault *fault.Active) (over bool) {
	s.flood(fault.Flood)
	if fault.Delay > 0 && !pause.For(r.Context(), fault.Delay) || fault.Hang && !hang(r, fault) {
		protocol.WriteFailure(w, protocol.TimedOut())
		return true
	}
	if death, ok := fault.Death(); ok {
		s.die(death)
		<-s.life.Done()
		panic(http.ErrAbortHandler)
	}
	if fault.Drop != "" {
		drop(w, r, rt, fault.Drop)
	}
	if !fault.IsAnswer() {
		return false
	}
	_, _ = io.Copy(io.Discard, r.Body)
	if fault.Status == 0 || fault.Status >= http.StatusInternalServerError {
		s.logError("error", "a fault asked for "+fault.Code+": "+fault.Message)
	}
	writeFault(fault, w)
	return true
}

// hang waits until the fault is removed. It returns false when the time of the
// request is over first.
func hang(r *http.Request, fault *fault.Active) bool {
	// The client has sent all of it, as it would have to a real backend.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	select {
	case <-fault.Removed:
		return true
	case <-r.Context().Done():
		return false
	}
}

// drop cuts the connection; it does not return.
func drop(w http.ResponseWriter, r *http.Request, rt route, place string) {
	if place == fault.DropRequest {
		panic(http.ErrAbortHandler)
	}
	answer := &keptAnswer{header: http.Header{}, status: http.StatusOK}
	if err := rt.handle(answer, r); err != nil {
		protocol.WriteFailure(answer, err)
	}
	if place == fault.DropBody {
		maps.Copy(w.Header(), answer.header)
		w.WriteHeader(answer.status)
		_, _ = w.Write(answer.body[:len(answer.body)/2])
		_ = http.NewResponseController(w).Flush()
	}
	panic(http.ErrAbortHandler)
}

// keptAnswer is an answer that is not sent, or only a part of it.
type keptAnswer struct {
	header http.Header
	status int
	body   []byte
}

func (a *keptAnswer) Header() http.Header { return a.header }

func (a *keptAnswer) WriteHeader(status int) { a.status = status }

func (a *keptAnswer) Write(p []byte) (int, error) {
	a.body = append(a.body, p...)
	return len(p), nil
}

func writeFault(f *fault.Active, w http.ResponseWriter) {
	status := f.Status
	if status == 0 {
		status = http.StatusInternalServerError
	}
	if f.Body != "" {
		protocol.WriteText(w, status, f.Body)
		return
	}
	protocol.WriteFailure(w, &protocol.Failure{Status: status, Code: f.Code, Message: f.Message})
}

// event applies the faults of a moment in the simulator's own life.
func (s *Server) event(ctx context.Context, stage string) {
	for _, fault := range s.faults.Take(stage) {
		if fault.Delay > 0 && !pause.For(ctx, fault.Delay) {
			return
		}
		s.flood(fault.Flood)
		if fault.Hang {
			select {
			case <-fault.Removed:
			case <-ctx.Done():
				return
			}
		}
		if death, ok := fault.Death(); ok {
			s.die(death)
			return
		}
	}
}

func (s *Server) flood(lines int) {
	for line := range lines {
		s.log.Info("noise that a fault asked for", "line", line+1, "of", lines)
	}
}
