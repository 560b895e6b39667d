package platform

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// checkAppFolder explains a folder of the app that is not there or cannot be read: the web server
// could not be started in it.
func checkAppFolder(folder string) error {
	at := place.Here()
	_, err := os.ReadDir(folder)
	correct := "take CONVEX_APP_DIR out of " + at.Settings() + " (the image knows its own), or correct it, then: " + at.Start("platform")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return report.New(exit.Config, fmt.Sprintf("CONVEX_APP_DIR=%s is not there", folder),
			"the app of this image is in another folder", correct, "or build the image with the app in that folder").Err(err)
	case errors.Is(err, fs.ErrPermission):
		return report.New(exit.Config, fmt.Sprintf("CONVEX_APP_DIR=%s cannot be read by uid %d", folder, os.Getuid()),
			"the folder, or one above it, belongs to another user and is closed to this one", "chmod -R a+rX of it, in the image or where it is mounted from", "or "+correct).Err(err)
	case err != nil:
		return report.New(exit.Config, fmt.Sprintf("CONVEX_APP_DIR=%s is no folder: %v", folder, err),
			"the setting names something else than the app's folder", correct).Err(err)
	}
	return nil
}

// describeAppFolder returns the folder for a text, with what is odd about it.
func describeAppFolder(folder string) string {
	if entries, err := os.ReadDir(folder); err == nil && len(entries) == 0 {
		return folder + " (CONVEX_APP_DIR), which is empty: a volume or a folder of the host that is mounted there hides the app"
	}
	return folder + " (CONVEX_APP_DIR)"
}
