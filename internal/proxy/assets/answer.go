package assets

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// answer answers with a kept file. It reports whether it did: a file that is damaged
// or gone is forgotten.
func (v *visit) answer(w http.ResponseWriter, why reason) bool {
	f, r := v.file, v.r
	encoding := identity
	partial := r.Header["Range"] != nil || r.Header["If-Match"] != nil || r.Header["If-Unmodified-Since"] != nil
	if !partial { // ranges are of the bytes that the application sent
		encoding = f.choose(r.Header["Accept-Encoding"])
	}
	content, err := v.h.store.open(f.Forms[encoding])
	if err != nil {
		v.h.store.log.Warn("asset forgotten", "path", f.Path, "error", err)
		if errors.Is(err, errDamaged) || errors.Is(err, fs.ErrNotExist) {
			v.h.store.forget(f)
		}
		return false
	}
	defer content.close()
	now := v.h.store.now()
	v.h.store.saveUse(f, time.Unix(f.used.Swap(now.Unix()), 0), now)
	v.h.counters.answers[why].Inc()
	if f.known(r.Header) {
		f.describe(w.Header(), encoding)
		w.Header().Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return true
	}
	done, ok := v.h.visitors.File(w, r, f.Forms[encoding].Size)
	if !ok {
		return true
	}
	defer done()
	if f.describe(w.Header(), encoding); partial {
		http.ServeContent(w, f.withoutConditions(r), "", f.modified, content.reader())
	} else {
		f.send(w, r, encoding, content)
	}
	return true
}

// send sends the whole content. A visitor who has gone is told nothing.
func (f *file) send(w http.ResponseWriter, r *http.Request, encoding string, c content) {
	w.Header()["Content-Length"] = []string{strconv.FormatInt(f.Forms[encoding].Size, 10)}
	w.WriteHeader(http.StatusOK)
	switch {
	case r.Method == http.MethodHead:
	case c.file != nil:
		_, _ = io.Copy(w, c.file)
	default:
		_, _ = w.Write(c.data)
	}
}

// describe sets the header of an answer in one encoding.
func (f *file) describe(header http.Header, encoding string) {
	for name, values := range f.Header {
		header[name] = values[:len(values):len(values)] // an append makes a copy
	}
	suffix := ""
	if encoding != identity {
		header["Content-Encoding"] = []string{encoding}
		suffix = "-" + encoding
	} else if len(f.Forms) == 1 {
		header["Accept-Ranges"] = []string{"bytes"}
	}
	if compressible(f.Header) {
		header["Vary"] = append(header["Vary"], "Accept-Encoding")
	}
	header["Etag"] = []string{`"` + f.tag() + suffix + `"`}
}

// tag returns the part of the ETag that all forms have.
func (f *file) tag() string { return f.Forms[identity].Sum[:tagLength] }

const tagLength = 32

// known reports whether a visitor has the file: any form of it, since the content of
// all is the same, with our ETag or the application's.
func (f *file) known(header http.Header) bool {
	tags, has := header["If-None-Match"]
	if !has {
		since, err := http.ParseTime(header.Get("If-Modified-Since"))
		return err == nil && !f.modified.IsZero() && !f.modified.After(since)
	}
	return f.hasTag(tags)
}

// listed returns the ETags of a condition.
func listed(values []string) []string {
	tags := strings.Split(strings.Join(values, ","), ",")
	for i, tag := range tags {
		tags[i] = strings.TrimSpace(tag)
	}
	return tags
}

// hasTag reports whether If-None-Match is about the file, by any of its ETags, which are
// compared weakly.
func (f *file) hasTag(tags []string) bool {
	for _, one := range listed(tags) {
		if one == "*" || f.Tag != "" && strings.TrimPrefix(one, "W/") == strings.TrimPrefix(f.Tag, "W/") {
			return true
		}
		bare := strings.Trim(strings.TrimPrefix(one, "W/"), `"`)
		for _, encoding := range [...]string{brotli, zstd, gzip} {
			bare = strings.TrimSuffix(bare, "-"+encoding)
		}
		if bare == f.tag() || f.Tag != "" && bare == strings.Trim(strings.TrimPrefix(f.Tag, "W/"), `"`) {
			return true
		}
	}
	return false
}

// withoutConditions returns the request without the conditions that were looked at, and
// without an If-Match that the file meets by the application's ETag, which is not the one
// that it is sent with. That is compared strongly (RFC 9110, section 13.1.1): a weak one,
// or that of a compressed form, is not about these bytes.
func (f *file) withoutConditions(r *http.Request) *http.Request {
	met := strings.HasPrefix(f.Tag, `"`) && slices.Contains(listed(r.Header["If-Match"]), f.Tag)
	if !met && r.Header["If-None-Match"] == nil && r.Header["If-Modified-Since"] == nil {
		return r
	}
	bare := *r
	bare.Header = r.Header.Clone()
	bare.Header.Del("If-None-Match")
	bare.Header.Del("If-Modified-Since")
	if met {
		bare.Header.Del("If-Match")
		bare.Header.Del("If-Unmodified-Since") // RFC 9110, section 13.2.2: it does not count then
	}
	return &bare
}

// choose returns the encoding of a form that a visitor accepts (RFC 9110, section
// 12.5.3): of those that it likes best, the smallest.
func (f *file) choose(accepted []string) string {
	if len(f.Forms) == 1 || len(accepted) == 0 {
		return identity
	}
	p := qualities(accepted)
	best, quality := identity, leastLiked
	if !math.IsNaN(p.identity) {
		quality = max(p.identity, leastLiked)
	}
	for _, one := range [...]struct {
		encoding string
		quality  float64
	}{{brotli, p.of(p.brotli)}, {zstd, p.of(p.zstd)}, {gzip, p.of(p.gzip)}} {
		made, there := f.Forms[one.encoding]
		if there && (one.quality > quality || one.quality == quality && made.Size < f.Forms[best].Size) {
			best, quality = one.encoding, one.quality
		}
	}
	return best
}

// preferences are the q-values of the encodings that there are forms of, and of what
// is not named. Not a number: it is not named.
type preferences struct{ brotli, zstd, gzip, identity, rest float64 }

func qualities(accepted []string) preferences {
	unnamed := math.NaN()
	p := preferences{unnamed, unnamed, unnamed, unnamed, unnamed}
	for _, line := range accepted {
		for one := range strings.SplitSeq(line, ",") {
			name, parameters, _ := strings.Cut(one, ";")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "br":
				p.brotli = quality(parameters)
			case "zstd":
				p.zstd = quality(parameters)
			case "gzip", "x-gzip":
				p.gzip = quality(parameters)
			case "identity":
				p.identity = quality(parameters)
			case "*":
				p.rest = quality(parameters)
			}
		}
	}
	return p
}

// quality reads `q=0.5`; what cannot be read is not wanted.
func quality(parameters string) float64 {
	parameters = strings.TrimSpace(parameters)
	if parameters == "" {
		return 1
	}
	name, value, _ := strings.Cut(parameters, "=")
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if !strings.EqualFold(strings.TrimSpace(name), "q") || err != nil || !(q >= 0 && q <= 1) {
		return 0
	}
	return q
}

// of returns the q-value of one of the named ones.
func (p preferences) of(named float64) float64 {
	switch {
	case !math.IsNaN(named):
		return named
	case !math.IsNaN(p.rest):
		return p.rest
	}
	return 0
}

// leastLiked is for the plain bytes, which are acceptable unless a visitor says
// otherwise, but which nobody asks for.
const leastLiked = 1e-9
