package volume

import "context"

// Into copies as a helper does.
func (c Copy) Into(ctx context.Context, from, to string) (Report, error) {
	return copyInto(ctx, from, to, c, func(Progress) {})
}

// LookInto looks as a helper does.
func LookInto(ctx context.Context, folder, name string) (State, error) {
	return lookInto(ctx, folder, name)
}
