package bluegreen

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const (
	// parts of a colour's page, and how many bytes they are together.
	parts      = 8
	partsBytes = 100_000
	// pagesAtOnce is how many visitors open a page at the same time.
	pagesAtOnce = 20
)

// pages are visitors who have a page open while the colour that it came from goes.
type pages struct {
	t      *testing.T
	url    string
	client *http.Client

	loaded, found atomic.Int64
}

// partName is how a part is named in a page, and in the part that loads it later.
var partName = regexp.MustCompile(`(/assets/|\./)part\d+-([\w-]{8})\.js`)

// begin opens pages; the function that it returns loads their parts.
func (p *pages) begin(number int) (finish func()) {
	open := make([]string, number)
	p.each(number, func(i int) {
		text, err := p.get("/app")
		if err != nil {
			p.t.Errorf("a page: %v", err)
		}
		open[i] = text
	})
	return func() {
		p.each(number, func(i int) { p.load(open[i]) })
	}
}

func (p *pages) each(number int, do func(i int)) {
	var all sync.WaitGroup
	slots := make(chan struct{}, pagesAtOnce)
	for i := range number {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			do(i)
		})
	}
	all.Wait()
}

// load gets everything that a text names, and what that names.
func (p *pages) load(page string) {
	names := partName.FindAllStringSubmatch(page, -1)
	number := len(names)
	for i := 0; i < len(names); i++ {
		path := "/assets/" + strings.TrimPrefix(strings.TrimPrefix(names[i][0], "/assets/"), "./")
		text, err := p.get(path)
		if err == nil {
			err = checkHash(text, names[i][2])
		}
		if err != nil {
			p.t.Errorf("a part is missing: %s: %v", path, err)
			continue
		}
		p.found.Add(1)
		names = append(names, partName.FindAllStringSubmatch(text, -1)...)
	}
	if number != parts-1 || len(names) != parts {
		p.t.Errorf("a page named %d parts, and %d with those that they name", number, len(names))
	}
	p.loaded.Add(1)
}

func checkHash(text, hash string) error {
	sum := sha256.Sum256([]byte(text))
	if got := base64.RawURLEncoding.EncodeToString(sum[:6]); got != hash {
		return fmt.Errorf("its bytes have the hash %s", got)
	}
	return nil
}

func (p *pages) get(path string) (string, error) {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, p.url+path, http.NoBody)
	if err != nil {
		return "", err
	}
	response, err := p.client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", response.StatusCode)
	}
	return string(text), err
}
