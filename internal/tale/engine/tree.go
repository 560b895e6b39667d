package engine

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/moby/moby/client"
)

// ReadTree reads a folder of a container, which need not run. visit gets what is in it,
// by names below the folder, with a slash behind those of folders; found is false where
// there is no such folder.
func (e *Engine) ReadTree(ctx context.Context, id, folder string, visit func(name string, header *tar.Header, content io.Reader) error) (found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, changing)
	defer cancel()
	what := fmt.Sprintf("read %s in the container %s", folder, id)
	answer, err := e.api.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: folder})
	if IsNotFound(err) {
		_, gone := e.Inspect(ctx, id)
		return false, gone // that of the container is another matter
	}
	if err != nil {
		return false, e.failed(ctx, what, err)
	}
	defer func() { _ = answer.Content.Close() }()
	archive := tar.NewReader(answer.Content)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return true, e.failed(ctx, what, err)
		}
		// The names begin with that of the folder itself.
		if _, name, _ := strings.Cut(header.Name, "/"); name != "" {
			if err := visit(name, header, archive); err != nil {
				return true, fmt.Errorf("cannot %s: %w", what, err)
			}
		}
	}
}

// WriteTree unpacks an archive below a folder of a container. The owners of the files are
// those of the archive, by number.
func (e *Engine) WriteTree(ctx context.Context, id, folder string, archive io.Reader) error {
	ctx, cancel := context.WithTimeout(ctx, changing)
	defer cancel()
	_, err := e.api.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: folder, Content: archive})
	return e.failed(ctx, fmt.Sprintf("write to %s in the container %s", folder, id), err)
}
