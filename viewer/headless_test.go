//go:build headless

package viewer

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNoWindowsInThisBuild(t *testing.T) {
	err := New(newFake(), Options{}).Run(context.Background(), nil)
	require.ErrorIs(t, err, ErrNoWindow)
	require.ErrorContains(t, err, "-tags headless")
	require.ErrorContains(t, err, "-record")
	require.NotContains(t, err.Error(), "\n")
}
