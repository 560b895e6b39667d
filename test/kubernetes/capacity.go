package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// capacity compares what one and what four platform pods answer, where each page costs a web server
// 5 ms and more, and the pods' share of the processor is the limit, not the machine's.
func (c *cluster) capacity(ctx context.Context) error {
	const gain = 3
	const limited = `{"op": "add", "path": "/spec/template/spec/containers/0/resources/limits/cpu", "value": "100m"},
		{"op": "add", "path": "/spec/template/spec/containers/0/env", "value": [{"name": "WEB_COMMAND", "value": "bun --preload /` + burnPath + ` server.ts"}]}`
	const unlimited = `{"op": "remove", "path": "/spec/template/spec/containers/0/resources/limits/cpu"},
		{"op": "remove", "path": "/spec/template/spec/containers/0/env"}`
	err := c.resize(ctx, limited, 1)
	var one, four float64
	if err == nil {
		one, err = c.answered(ctx)
	}
	if err == nil {
		err = c.resize(ctx, limited, 4)
	}
	if err == nil {
		four, err = c.answered(ctx)
	}
	if err == nil {
		c.figures = append(c.figures, fmt.Sprintf("%.1f pages/s of one pod, %.1f of four", one, four))
		if four < gain*one {
			err = fmt.Errorf("four pods answer %.1f times what one does, want %d times", four/one, gain)
		}
	}
	return errors.Join(err, c.resize(ctx, unlimited, 3))
}

// resize changes the platform's pods, and the number of them.
func (c *cluster) resize(ctx context.Context, change string, replicas int) error {
	if err := c.replicas(ctx, "deployment/platform", replicas); err != nil {
		return err
	}
	if _, err := c.kubectl(ctx, "patch", "-n", c.namespace, "deployment/platform", "--type", "json", "--patch", "["+change+"]"); err != nil {
		return err
	}
	return c.rolledOut(ctx, rolloutLimit)
}

// answered returns how many pages a second are answered to many that ask at once, after the proxies
// know the new pods and these have their full share.
func (c *cluster) answered(ctx context.Context) (float64, error) {
	const asking, warmUp, measured = 32, 15 * time.Second, 15 * time.Second
	warming := c.kept + warmUp
	v, err := c.visitors(ctx)
	if err != nil {
		return 0, err
	}
	var pages, failed atomic.Int64
	var done sync.WaitGroup
	ctx, cancel := context.WithTimeout(ctx, warming+measured)
	defer cancel()
	for range asking {
		done.Go(func() {
			for ctx.Err() == nil {
				if v.once(v.kept, "/") == nil {
					pages.Add(1)
				} else {
					failed.Add(1)
				}
			}
		})
	}
	err = c.stays(ctx, warming, nothing)
	before := pages.Load()
	done.Wait()
	if n := failed.Load(); n > 0 {
		err = errors.Join(err, fmt.Errorf("%d requests failed", n))
	}
	return float64(pages.Load()-before) / measured.Seconds(), err
}
