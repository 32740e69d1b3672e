package track

import "slices"

// Detection is a box of a frame.
type Detection struct {
	Box   [4]float64 // x0, y0, x1, y1
	Score float64
}

// Options are the rule's numbers. The zero value of a field is its authors'.
type Options struct {
	Sure     float64 // scores above it begin tracks and are matched first: 0.5
	Unsure   float64 // scores above it go on with tracks: 0.1
	New      float64 // the least score of a new track: Sure + 0.1
	Distance float64 // 1 − IoU·score up to which the first matching goes: 0.8
	Lost     int     // frames without a detection after which a track is given up: 30
}

// The bounds of the other two matchings, as distances 1 − IoU.
const (
	unsureDistance = 0.5
	newDistance    = 0.7 // of tracks that began in the frame before
	sameDistance   = 0.15
)

// state is what has become of a track.
type state int

const (
	tracked state = iota // it has a detection
	lost
	gone
)

// trace is one object over the frames.
type trace struct {
	filter
	number    int
	state     state
	confirmed bool // by a second detection
	first     int  // frame that it began in
	last      int  // frame of its last detection
	late      bool // it was given up: found in the frame after, it goes on until it is lost
}

// Tracker follows objects. The zero value is not one; see [New].
type Tracker struct {
	o      Options
	frame  int
	count  int
	all    []*trace // followed and begun, in the order that they became so
	missed []*trace // lost ones
}

// New makes a tracker.
func New(o Options) *Tracker {
	set := func(v *float64, usual float64) {
		if *v == 0 {
			*v = usual
		}
	}
	set(&o.Sure, 0.5)
	set(&o.Unsure, 0.1)
	set(&o.New, o.Sure+0.1)
	set(&o.Distance, 0.8)
	if o.Lost == 0 {
		o.Lost = 30
	}
	return &Tracker{o: o}
}

// candidate is a detection that is not matched yet.
type candidate struct {
	Detection
	index int
}

// Next takes a frame's detections and gives the number of each one's track, from 1 on, or 0 of
// those that have none (yet): a track that does not begin in the first frame is told of from
// its second detection on.
func (t *Tracker) Next(detections []Detection) []int {
	t.frame++
	numbers := make([]int, len(detections))
	sure, unsure := t.split(detections)
	var followed, fresh []*trace
	for _, x := range t.all {
		if x.confirmed {
			followed = append(followed, x)
		} else {
			fresh = append(fresh, x)
		}
	}
	pool := slices.Concat(followed, t.missed)
	for _, x := range pool {
		x.predict(x.state == tracked)
	}
	take := func(x *trace, d candidate) {
		x.update(d.Box)
		x.state, x.confirmed, x.last = tracked, true, t.frame
		numbers[d.index] = x.number
	}
	left, sure := match(pool, sure, t.o.Distance, true, take)
	left = slices.DeleteFunc(left, func(x *trace) bool { return x.state != tracked })
	left, _ = match(left, unsure, unsureDistance, false, take)
	for _, x := range left {
		x.state = lost
	}
	fresh, sure = match(fresh, sure, newDistance, true, take)
	for _, x := range fresh {
		x.state = gone
	}
	var begins []*trace
	for _, d := range sure {
		if d.Score >= t.o.New {
			begins = append(begins, t.begin(d, numbers))
		}
	}
	t.sort(begins)
	return numbers
}

// split sorts detections into sure and unsure ones.
func (t *Tracker) split(detections []Detection) (sure, unsure []candidate) {
	for i, d := range detections {
		switch c := (candidate{d, i}); {
		case d.Score > t.o.Sure:
			sure = append(sure, c)
		case d.Score > t.o.Unsure && d.Score < t.o.Sure:
			unsure = append(unsure, c)
		}
	}
	return sure, unsure
}

// begin begins a track.
func (t *Tracker) begin(d candidate, numbers []int) *trace {
	t.count++
	x := &trace{filter: newFilter(d.Box), number: t.count, first: t.frame, last: t.frame}
	if t.frame == 1 {
		x.confirmed = true
		numbers[d.index] = x.number
	}
	return x
}

// sort brings the lists up to date after a frame.
func (t *Tracker) sort(begins []*trace) {
	var all, missed, found []*trace
	for _, x := range t.missed {
		switch {
		case x.state == tracked:
			found = append(found, x)
		case !x.late: // what is given up is looked for once more, as the authors' lists have it
			x.late = t.frame-x.last > t.o.Lost
			missed = append(missed, x)
		}
	}
	for _, x := range t.all {
		switch {
		case x.state == tracked:
			all = append(all, x)
		case x.state == lost && !x.late:
			missed = append(missed, x)
		}
	}
	all = slices.Concat(all, begins, found)
	t.all, t.missed = distinct(all, missed)
}

// distinct drops of two tracks that lie on each other, one followed and one lost, the younger.
func distinct(all, missed []*trace) (kept, lost []*trace) {
	drop := map[*trace]bool{}
	for _, a := range all {
		for _, b := range missed {
			if 1-iou(a.box(), b.box()) >= sameDistance {
				continue
			}
			if a.last-a.first > b.last-b.first {
				drop[b] = true
			} else {
				drop[a] = true
			}
		}
	}
	without := func(x *trace) bool { return drop[x] }
	return slices.DeleteFunc(all, without), slices.DeleteFunc(missed, without)
}

// match pairs tracks with detections at the least sum of distances, none of them above most;
// scored weighs overlaps by the detections' scores. It gives what is left of both.
func match(tracks []*trace, detections []candidate, most float64, scored bool, take func(*trace, candidate)) (left []*trace, rest []candidate) {
	cost := make([][]float64, len(tracks))
	for i, x := range tracks {
		box := x.box()
		for _, d := range detections {
			overlap := iou(box, d.Box)
			if scored {
				overlap *= d.Score
			}
			cost[i] = append(cost[i], 1-overlap)
		}
	}
	of := assign(cost, len(detections), most)
	taken := make([]bool, len(detections))
	for i, j := range of {
		if j < 0 {
			left = append(left, tracks[i])
			continue
		}
		taken[j] = true
		take(tracks[i], detections[j])
	}
	for j, d := range detections {
		if !taken[j] {
			rest = append(rest, d)
		}
	}
	return left, rest
}

// iou is the part that two boxes share of what they cover together.
func iou(a, b [4]float64) float64 {
	w := min(a[2], b[2]) - max(a[0], b[0])
	h := min(a[3], b[3]) - max(a[1], b[1])
	if w <= 0 || h <= 0 {
		return 0
	}
	area := func(b [4]float64) float64 { return (b[2] - b[0]) * (b[3] - b[1]) }
	return w * h / (area(a) + area(b) - w*h)
}
