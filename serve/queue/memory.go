package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"saccade/gpu"
	"saccade/models"
)

// BudgetError is a model or a request that takes more memory than all may.
type BudgetError struct {
	What         string
	Need, Budget int64
}

func (e *BudgetError) Error() string {
	return fmt.Sprintf("%s takes %s of the device and all models may take %s; allow more (-memory), or serve a smaller one", e.What, gpu.MiB(e.Need), gpu.MiB(e.Budget))
}

// CheckBudget refuses what alone would take more than the budget.
func (q *Queue) CheckBudget(what string, need int64) error {
	if q.Budget > 0 && need > q.Budget {
		return &BudgetError{what, need, q.Budget}
	}
	return nil
}

// load brings the lane's model to the device; others leave it for that.
func (m *Model) load(ctx context.Context) error {
	q := m.q
	q.loading.Lock()
	defer q.loading.Unlock()
	if err := q.room(ctx, m, m.need); err != nil {
		return err
	}
	began := time.Now()
	loaded, err := q.Load(ctx, m.Entry)
	if errors.Is(err, gpu.ErrOutOfMemory) && q.evict(m, func() bool { return false }) > 0 {
		loaded, err = q.Load(ctx, m.Entry)
	}
	if err != nil {
		return fmt.Errorf("model %s: %w", m.ID, err)
	}
	m.need = size(loaded)
	if err := q.CheckBudget("model "+m.ID, m.need); err != nil {
		loaded.Close()
		return err
	}
	m.loaded = loaded
	m.front.Store(loaded)
	q.Meters.Loads.WithLabelValues(m.ID).Inc()
	q.Log.Info("loaded", "model", m.ID, "source", loaded.Source, "bytes", m.need, "took", time.Since(began))
	return q.room(ctx, m, 0)
}

// room waits until so many bytes more keep within the budget.
func (q *Queue) room(ctx context.Context, m *Model, need int64) error {
	if q.Budget == 0 {
		return nil
	}
	enough := func() bool { return q.Bytes()+need <= q.Budget }
	for {
		q.evict(m, enough)
		if enough() || !q.others(m) {
			return nil
		}
		select { // others are at work, and end
		case <-q.freed:
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// others says that there are other models on the device.
func (q *Queue) others(m *Model) bool {
	for _, o := range q.Models {
		if o == m {
			continue
		}
		if !o.at.TryLock() {
			return true
		}
		there := o.loaded != nil
		o.at.Unlock()
		if there {
			return true
		}
	}
	return false
}

// evict takes models that nobody works with from the device, the one first that was not
// used for longest, until there is enough room; it gives their number.
func (q *Queue) evict(but *Model, enough func() bool) (n int) {
	for ; !enough(); n++ {
		var oldest *Model
		for _, m := range q.Models {
			if m == but || !m.at.TryLock() {
				continue
			}
			if m.loaded != nil && (oldest == nil || m.last < oldest.last) {
				if oldest != nil {
					oldest.at.Unlock()
				}
				oldest = m
				continue
			}
			m.at.Unlock()
		}
		if oldest == nil {
			return n
		}
		oldest.drop()
		q.Meters.Evictions.WithLabelValues(oldest.ID).Inc()
		q.Log.Info("left the device for others", "model", oldest.ID)
		oldest.at.Unlock()
	}
	return n
}

// drop closes the model. The lane is held.
func (m *Model) drop() {
	if m.loaded != nil {
		m.loaded.Close()
		m.loaded = nil
		clear(m.ladders) // whose programs are gone
	}
}

// unload takes the model from the device.
func (m *Model) unload() {
	m.at.Lock()
	defer m.at.Unlock()
	m.drop()
}

// release lets go of the model behind work, and of others if all take too much.
func (m *Model) release() {
	if m.loaded != nil {
		m.need, m.last = max(m.need, size(m.loaded)), time.Now().UnixNano()
	}
	q := m.q
	within := func() bool { return q.Budget == 0 || q.Bytes() <= q.Budget }
	if q.evict(m, within); !within() && !q.others(m) && m.loaded != nil {
		q.Log.Warn("takes more than all models may, and is loaded anew for each request; allow more (-memory)", "model", m.ID, "bytes", q.Bytes(), "budget", q.Budget)
		m.drop()
	}
	q.Meters.Bytes.Set(float64(q.Bytes()))
	m.at.Unlock()
	select {
	case q.freed <- struct{}{}:
	default:
	}
}

// size is what a model takes on the device with what it has computed so far.
func size(m *models.Model) (bytes int64) {
	if m.Pipeline == nil {
		weights, programs := m.Memory()
		return weights + programs.Arena + programs.IO
	}
	for _, part := range m.Pipeline.Modules() {
		bytes += part.Bytes()
	}
	return bytes
}
