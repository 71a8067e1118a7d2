# Firecracker enters here in 64-bit mode with interrupts off and only the first GiB mapped.
    .section .text.start, "ax"
    .globl _start
_start:
    leaq    stack_top(%rip), %rsp
    call    main
1:  hlt
    jmp     1b

# A wake-up is all an interrupt has to do: the controller ends it by itself and the ring tells what happened.
    .globl wake
wake:
    iretq

# 32 exception stubs, 16 bytes apart. The processor pushes an error code for some; the others push a zero,
# so that exception() always finds number, code and the address of the fault at the same place.
    .balign 16
    .globl exception_stubs
exception_stubs:
    .set number, 0
    .rept 32
    .balign 16
    .if !((number == 8) || ((number >= 10) && (number <= 14)) || (number == 17) || (number == 21))
    pushq   $0
    .endif
    pushq   $number
    jmp     caught
    .set number, number + 1
    .endr

caught:
    popq    %rdi
    popq    %rsi
    movq    (%rsp), %rdx
    call    exception
1:  hlt
    jmp     1b

    .section .bss
    .balign 16
    .skip   16384
stack_top:

    .section .note.GNU-stack, "", @progbits
