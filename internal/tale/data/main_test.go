package data_test

import (
	"os"
	"testing"

	"github.com/tale-project/tale-runtime/internal/tale/taletest/line"
)

func TestMain(m *testing.M) { os.Exit(line.Main(m)) }
