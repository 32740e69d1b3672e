package index

import (
	"database/sql"
)

// convert brings an index of a format before to today's: all of it, or nothing.
func (x *Index) convert() error {
	return x.write("converting it", func(tx *sql.Tx) error {
		is, err := x.kindOf(tx)
		if err != nil || is != anOldIndex { // another process was first
			return err
		}
		var lines int
		if err := tx.QueryRowContext(x.ctx, "SELECT count(*) FROM sqlite_schema WHERE name = 'documents'").Scan(&lines); err != nil {
			return err
		}
		made := tables[1:]
		if lines == 0 {
			made = append(append([]string{}, made...), lineTables...)
		}
		for _, statement := range append([]string{"ALTER TABLE pictures RENAME TO before"}, made...) {
			if _, err := tx.ExecContext(x.ctx, statement); err != nil {
				return err
			}
		}
		if err := x.moveVectors(tx); err != nil {
			return err
		}
		if _, err := tx.ExecContext(x.ctx, "DROP TABLE before"); err != nil {
			return err
		}
		_, err = tx.ExecContext(x.ctx, "UPDATE meta SET value = ? WHERE key = 'format'", format)
		return err
	})
}

// moveVectors takes the pictures of the table of before over, and writes their embeddings
// into the file of vectors.
func (x *Index) moveVectors(tx *sql.Tx) error {
	p, err := x.place(tx, 0)
	if err != nil {
		return err
	}
	defer p.close()
	rows, err := tx.QueryContext(x.ctx, "SELECT path, size, modified, embedding, error FROM before ORDER BY path")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var key, why string
		var size, modified int64
		var value any
		if err := rows.Scan(&key, &size, &modified, &value, &why); err != nil {
			return err
		}
		var v []float32
		if why == "" {
			if v, err = decode(value); err != nil {
				return err
			}
		}
		row, err := p.row(v)
		if err == nil {
			_, err = tx.ExecContext(x.ctx, "INSERT INTO pictures VALUES (?, ?, ?, ?, ?)", row, key, size, modified, why)
		}
		if err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return p.end()
}
