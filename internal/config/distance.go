package config

import "strings"

// Distance returns how many letters have to be put in, left out, replaced or swapped with
// the next to make one word of the other.
func Distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		for j := range rows[i] {
			if i == 0 || j == 0 {
				rows[i][j] = i + j
				continue
			}
			replaced := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			rows[i][j] = min(replaced, 1+rows[i-1][j], 1+rows[i][j-1])
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], 1+rows[i-2][j-2])
			}
		}
	}
	return rows[len(a)][len(b)]
}

// Nearest returns the one of the known names of which a name is probably a misspelling, ""
// if there is none.
func Nearest(name string, known []string) (nearest string) {
	least := len(name)
	for _, one := range known {
		d := Distance(strings.ToLower(name), strings.ToLower(one))
		if d <= max(1, len(one)/3) && d < least {
			nearest, least = one, d
		}
	}
	return nearest
}
