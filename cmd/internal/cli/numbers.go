package cli

import (
	"fmt"
	"math"
	"strings"
)

// Dims writes a shape as 1x197x768.
func Dims(shape []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(shape), " ", "x"), "[]")
}

// Number is nil for what JSON cannot hold.
func Number(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
