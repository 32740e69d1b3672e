package main

import (
	"fmt"

	"saccade/cmd/internal/cli"
)

// findReadings reads -sensors, and finds its rows of the pictures that are to be looked at.
func (c *likeness) findReadings() (err error) {
	if c.sensors == "" {
		if c.detector != nil && c.detector.Readings != nil {
			c.note("bank %s knows readings too; scores are of pictures alone without -sensors", c.index)
		}
		return nil
	}
	if c.table, err = readReadings(c.sensors); err != nil {
		return err
	}
	if c.detector != nil {
		if c.detector.Readings == nil {
			return cli.Usagef("bank %s knows no readings: make one by -normal with -sensors, or leave -sensors out", c.index)
		}
		if err := c.detector.Readings.Check(c.table.Columns); err != nil {
			return fmt.Errorf("sensors %s: %w", c.sensors, err)
		}
	}
	folder, paths := "", c.pictures
	switch {
	case c.eval != "":
		folder, paths = c.eval, nil
		for _, k := range c.classes {
			if k.Name != masksFolder {
				paths = append(paths, k.Paths...)
			}
		}
	case len(c.images) > 0:
		folder = c.images[0]
	}
	rows, err := c.table.Match(folder, paths)
	if err != nil {
		return fmt.Errorf("sensors %s: %w", c.sensors, err)
	}
	c.rows = map[string]int{}
	for i, path := range paths {
		c.rows[path] = rows[i]
	}
	return nil
}

// readingsOf are those beside a picture, nil without -sensors.
func (c *likeness) readingsOf(path string) ([]float64, error) {
	if c.table == nil {
		return nil, nil
	}
	row, ok := c.rows[path]
	if !ok || row < 0 {
		return nil, unreadable{fmt.Errorf("picture %s: %s has no readings of it", path, c.sensors)}
	}
	return c.table.Values[row], nil
}

// fuseScore puts the score of the readings beside a picture's, and that of both in its place.
func (c *likeness) fuseScore(u *unlikeJSON) error {
	row, err := c.readingsOf(u.Path)
	if row == nil || err != nil {
		return err
	}
	r := c.detector.Readings
	u.Picture = &scoredJSON{u.Score, c.detector.Threshold}
	u.Readings = &scoredJSON{r.Score(row), r.Threshold}
	u.Score, u.Threshold = c.detector.Fused(u.Picture.Score, u.Readings.Score), r.FusedThreshold
	u.Anomalous = u.Score > u.Threshold
	return nil
}
