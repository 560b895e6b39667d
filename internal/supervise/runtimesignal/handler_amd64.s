#include "textflag.h"

// The kernel calls it as C would: DI is the number of the signal, SI points to
// siginfo, and the return address is the runtime's restorer.
TEXT ·handler(SB), NOSPLIT|NOFRAME, $0
	MOVL 8(SI), AX // si_code
	CMPL AX, $0    // SI_USER
	JEQ  sent
	CMPL AX, $-1   // SI_QUEUE
	JEQ  sent
	MOVQ ·goHandler(SB), AX
	JMP  AX

sent:
	PUSHQ   DI
	MOVQ    $1, AX // write(pipe, number, 1)
	MOVQ    ·pipe(SB), DI
	MOVQ    SP, SI
	MOVQ    $1, DX
	SYSCALL
	POPQ    DI
	RET

TEXT ·handlerAddress(SB), NOSPLIT, $0-8
	LEAQ ·handler(SB), AX
	MOVQ AX, ret+0(FP)
	RET
