package track

import "math"

// assign pairs rows with columns, of which there are so many, at the least sum of costs: by
// the Hungarian algorithm (Kuhn 1955) with potentials. A row or column may stay alone for half
// of most, so that no pair costs more than it. Of each row it gives the column, -1 for none.
func assign(cost [][]float64, columns int, most float64) []int {
	rows := len(cost)
	of := make([]int, rows)
	for i := range of {
		of[i] = -1
	}
	if rows == 0 || columns == 0 {
		return of
	}
	// Beside each row stands a column, and below each column a row, for staying alone.
	n := rows + columns
	at := func(i, j int) float64 {
		switch {
		case i < rows && j < columns:
			return cost[i][j]
		case i >= rows && j >= columns:
			return 0
		}
		return most / 2
	}
	for j, i := range hungarian(n, at) {
		if i < rows && j < columns {
			of[i] = j
		}
	}
	return of
}

// hungarian gives the row of each of n columns at the least sum.
func hungarian(n int, at func(i, j int) float64) []int {
	row := make([]int, n+1) // of column j at j+1, counted from 1; 0: none yet
	u, v := make([]float64, n+1), make([]float64, n+1)
	way := make([]int, n+1) // the column before, on the way to a free one
	for i := 1; i <= n; i++ {
		row[0] = i
		free := 0
		least, used := make([]float64, n+1), make([]bool, n+1)
		for j := range least {
			least[j] = math.Inf(1)
		}
		for row[free] != 0 {
			used[free] = true
			next, delta := 0, math.Inf(1)
			for j := 1; j <= n; j++ {
				if used[j] {
					continue
				}
				if c := at(row[free]-1, j-1) - u[row[free]] - v[j]; c < least[j] {
					least[j], way[j] = c, free
				}
				if least[j] < delta {
					delta, next = least[j], j
				}
			}
			for j := range used {
				if used[j] {
					u[row[j]] += delta
					v[j] -= delta
				} else {
					least[j] -= delta
				}
			}
			free = next
		}
		for free != 0 {
			row[free] = row[way[free]]
			free = way[free]
		}
	}
	out := make([]int, n)
	for j := range out {
		out[j] = row[j+1] - 1
	}
	return out
}
