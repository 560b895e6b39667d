#include "textflag.h"

// The kernel calls it as C would: R0 is the number of the signal, R1 points to
// siginfo, and R30 is where to return to.
TEXT ·handler(SB), NOSPLIT|NOFRAME, $0
	MOVW 8(R1), R3 // si_code
	CBZW R3, sent  // SI_USER
	CMNW $1, R3    // SI_QUEUE, -1
	BEQ  sent
	MOVD ·goHandler(SB), R3
	JMP  (R3)

sent:
	SUB  $16, RSP
	MOVD R0, (RSP)
	MOVD ·pipe(SB), R0
	MOVD RSP, R1
	MOVD $1, R2
	MOVD $64, R8 // write(pipe, number, 1)
	SVC
	ADD  $16, RSP
	RET

TEXT ·handlerAddress(SB), NOSPLIT, $0-8
	MOVD $·handler(SB), R0
	MOVD R0, ret+0(FP)
	RET
