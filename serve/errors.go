package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"saccade/gpu"
	"saccade/models/diffusion"
	"saccade/models/nn"
	"saccade/serve/queue"
	"saccade/weights"
)

// Error is what is wrong with a request.
type Error struct {
	Status  int
	Message string
	Param   string // the key that is wrong, or ""
	Code    string // OpenAI's, or ""
}

func (e *Error) Error() string { return e.Message }

// of names the key of the request that is wrong.
func (e *Error) of(param string) *Error {
	e.Param = param
	return e
}

func errorf(status int, format string, args ...any) *Error {
	return &Error{Status: status, Message: fmt.Sprintf(format, args...)}
}

// refusef is an error of a key of the request.
func refusef(param, format string, args ...any) error {
	return errorf(http.StatusBadRequest, format, args...).of(param)
}

// statusGone is what is counted of callers that left; nobody reads it.
const statusGone = 499

// asError finds the status of an error.
func asError(err error) *Error {
	var known *Error
	var request *diffusion.RequestError
	var body *http.MaxBytesError
	var budget *queue.BudgetError
	e := &Error{Status: http.StatusInternalServerError, Message: weights.Line(err)}
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &request):
		e.Status = http.StatusBadRequest
	case errors.As(err, &body):
		e.Status, e.Message = http.StatusRequestEntityTooLarge, fmt.Sprintf("the request is larger than %d bytes, the most that this server takes", body.Limit)
	case errors.Is(err, queue.ErrFull):
		e.Status, e.Code = http.StatusTooManyRequests, "rate_limit_exceeded"
	case errors.Is(err, queue.ErrStopped), errors.Is(err, gpu.ErrOutOfMemory), errors.As(err, &budget):
		e.Status = http.StatusServiceUnavailable
	case errors.Is(err, errTime), errors.Is(err, context.DeadlineExceeded):
		e.Status, e.Message = http.StatusGatewayTimeout, errTime.Error()
	case errors.Is(err, context.Canceled):
		e.Status, e.Message = statusGone, "the caller left"
	}
	return e
}

// ofCaller is an error that the library finds in what a caller gave, if it is none of another
// kind.
func ofCaller(param string, err error) error {
	var numbers *nn.NonFiniteError
	if e := asError(err); e.Status != http.StatusInternalServerError || errors.As(err, &numbers) {
		return err
	}
	return refusef(param, "%s", weights.Line(err))
}

// failPlain tells an error as most small APIs do.
func failPlain(w http.ResponseWriter, e *Error) {
	failWith(w, e, map[string]string{"error": e.Message})
}

// failWith tells an error as a document.
func failWith(w http.ResponseWriter, e *Error, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	_ = json.NewEncoder(w).Encode(document) // who left reads no error
}

// writeJSON answers with a document.
func writeJSON(w http.ResponseWriter, document any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(document) // who left reads no answer
}
