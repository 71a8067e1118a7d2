// A guest of a few hundred instructions for tests of a VMM's life cycle: it prints its boot arguments, then counts
// timer interrupts on the serial console for ever. It needs no kernel, so it also runs where KVM only emulates.
//
// Firecracker enters an ELF image without a PVH note in 64-bit mode at its entry point: paging on with the first GiB
// mapped, interrupts off, the boot arguments as a string at 0x20000.
//
// gcc -ffreestanding -nostdlib -static -no-pie -mgeneral-regs-only -mno-red-zone -fcf-protection=none
//     -fno-stack-protector -O1 -Wl,-Ttext=0x1000000,--build-id=none -o serial.elf guest.c

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned long u64;

static u8 stack[16384] __attribute__((aligned(16), used));

static void out(u16 port, u8 value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }

static void print(const char *text) {
    while (*text) {
        out(0x3f8, (u8)*text++);
    }
}

static void print_number(u64 number) {
    char digits[24];
    char *end = digits + sizeof digits - 1;
    *end = 0;
    do {
        *--end = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    print(end);
}

struct gate {
    u16 low, selector, flags, middle;
    unsigned high, zero;
};
static struct gate gates[256] __attribute__((aligned(16)));

// The slave and master controllers end interrupts by themselves (automatic EOI), so the handler has nothing to do.
__asm__(".global timer\ntimer: iretq\n");
extern const char timer[];

static void set_gate(int vector, u64 address) {
    u16 selector;
    __asm__ volatile("mov %%cs, %0" : "=r"(selector));
    gates[vector] = (struct gate){(u16)address, selector, 0x8e00, (u16)(address >> 16), (unsigned)(address >> 32), 0};
}

static void start_timer(void) {
    set_gate(0x20, (u64)timer);
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) table = {sizeof gates - 1, (u64)gates};
    __asm__ volatile("lidt %0" ::"m"(table));
    const u8 controllers[][2] = {{0x20, 0x11}, {0xa0, 0x11}, {0x21, 0x20}, {0xa1, 0x28}, {0x21, 4},
                                 {0xa1, 2},    {0x21, 3},    {0xa1, 3},    {0x21, 0xfe}, {0xa1, 0xff}};
    for (unsigned index = 0; index < sizeof controllers / sizeof *controllers; index++) {
        out(controllers[index][0], controllers[index][1]);
    }
    // PIT channel 0: 1193182 Hz / 11932 = 100 Hz.
    out(0x43, 0x34);
    out(0x40, 11932 & 0xff);
    out(0x40, 11932 >> 8);
}

static int asked_to_exit(const char *arguments) {
    const char *word = "guest.exit";
    for (; *arguments; arguments++) {
        int index = 0;
        while (word[index] && arguments[index] == word[index]) {
            index++;
        }
        if (!word[index]) {
            return 1;
        }
    }
    return 0;
}

__attribute__((used, noreturn)) static void run(void) {
    const char *arguments = (const char *)0x20000;
    print("guest ready: ");
    print(arguments);
    print("\n");
    if (asked_to_exit(arguments)) {
        // The keyboard controller's reset line: Firecracker takes it for a shutdown.
        out(0x64, 0xfe);
    }
    start_timer();
    for (u64 interrupts = 1;; interrupts++) {
        __asm__ volatile("sti; hlt; cli");
        if (interrupts % 10 == 0) {
            print("tick ");
            print_number(interrupts / 10);
            print("\n");
        }
    }
}

__asm__(".global _start\n_start: lea stack+16384(%rip), %rsp\n call run\n");
