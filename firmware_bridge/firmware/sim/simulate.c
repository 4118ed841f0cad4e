/* Runs an image of the AVR port in simavr, in real time, with its serial line on a pseudo terminal.

       simulate board.elf LINK [PPM [BOOTLOADER.hex]]

   LINK is made a symbolic link to the terminal; PPM makes the board's crystal wrong; with a BOOTLOADER the
   board starts there. Lines on standard input act on the
   board's pins and are each answered by one line:

       pins               the board's ms, what the motors' timers get (thousandths, signed), and the LEDs
       button 0|1         the emergency stop
       adc CHANNEL MV     an analogue input
       turn left|right N  so many edges of a wheel's encoder
       imu AX AY AZ T GX GY GZ [MS]   raw values of an MPU-6050, that turns for so many ms; `imu off`: it doesn't answer
       unplug, plug       the cable; plugged in again the terminal has another name
       reset              the board's reset pin
       freeze             its clock's interrupt never comes again, as after a bug

   It ends when standard input does. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <simavr/avr_adc.h>
#include <simavr/avr_ioport.h>
#include <simavr/avr_twi.h>
#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>
#include <simavr/sim_hex.h>

enum {
    HERTZ = 16000000,
    POLL = HERTZ / 4000,          /* a quarter of a millisecond between looks at the terminal and at the clock */
    QUARTER_STEP = HERTZ / 10000, /* between edges of an encoder's two channels */
    OUT_SIZE = 4096,              /* what the terminal doesn't take is lost beyond that, as on a wire */
};
enum { PORTB = 0x25, PORTD = 0x2b, MCUSR = 0x54, TIMSK2 = 0x70, TCCR1A = 0x80, OCR1A = 0x88, OCR1B = 0x8a }; /* in the data space */

static avr_t *avr;
static const char *name_of_link;
static int master = -1, open_slave = -1, button; /* 0: its contact is closed */
static bool may_send = true, ended, reset_asked;
static avr_irq_t *uart_in;
static unsigned char out[OUT_SIZE];
static size_t out_length;
static double speed = 1;
static struct timespec began;
static avr_cycle_count_t first_cycle;

struct encoder {
    char port_bit_a, port_bit_b;
    bool a, b, half;
    long left;
};
/* High as the board pulls them. Low before the board chose edges, simavr would see low-level interrupts without end. */
static struct encoder encoders[2] = {{2, 4, true, true, false, 0}, {3, 5, true, true, false, 0}};

static struct {
    avr_irq_t *irq;
    bool there, selected, addressed;
    unsigned char at, registers[256];
    avr_cycle_count_t turns_until; /* 0: for ever */
} imu;

static void plug(void) {
    struct termios raw;
    char name[64];
    if (openpty(&master, &open_slave, name, NULL, NULL) != 0) {
        perror("simulate: no pseudo terminal");
        exit(2);
    }
    tcgetattr(master, &raw);
    cfmakeraw(&raw);
    tcsetattr(master, TCSANOW, &raw);
    fcntl(master, F_SETFL, O_NONBLOCK);
    unlink(name_of_link);
    if (symlink(name, name_of_link) != 0) {
        perror(name_of_link);
        exit(2);
    }
    printf("port %s\n", name);
}

static void unplug(void) {
    if (master < 0) return;
    unlink(name_of_link);
    close(open_slave); /* it was kept open so that a terminal without a reader isn't a broken one */
    close(master);
    master = -1;
    out_length = 0;
}

static void flush_out(void) {
    if (master < 0 || out_length == 0) return;
    ssize_t done = write(master, out, out_length);
    if (done <= 0) return;
    memmove(out, out + done, out_length - (size_t)done);
    out_length -= (size_t)done;
}

static void on_output(avr_irq_t *irq, uint32_t value, void *param) {
    (void)irq, (void)param;
    if (master >= 0 && out_length < OUT_SIZE) out[out_length++] = (unsigned char)value;
    if (value == 0) flush_out(); /* the end of a frame */
}

static void on_xon(avr_irq_t *irq, uint32_t value, void *param) { (void)irq, (void)value, (void)param, may_send = true; }
static void on_xoff(avr_irq_t *irq, uint32_t value, void *param) { (void)irq, (void)value, (void)param, may_send = false; }

static void feed(void) {
    unsigned char byte;
    while (master >= 0 && may_send && read(master, &byte, 1) == 1) avr_raise_irq(uart_in, byte);
}

static void set_pin(char port, int bit, int level) {
    static avr_ioport_external_t driven[2] = {{.name = 'B'}, {.name = 'D'}}; /* stronger than the board's pull-ups */
    avr_ioport_external_t *held = &driven[port == 'D'];
    held->mask |= 1u << bit;
    held->value = (held->value & ~(1u << bit)) | (unsigned)(level != 0) << bit;
    avr_ioctl(avr, AVR_IOCTL_IOPORT_SET_EXTERNAL(port), held);
    avr_raise_irq(avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ(port), bit), level != 0);
}

static avr_cycle_count_t turn_wheels(avr_t *of, avr_cycle_count_t when, void *param) {
    (void)of, (void)param;
    for (int wheel = 0; wheel < 2; wheel++) {
        struct encoder *each = &encoders[wheel];
        if (each->left == 0) continue;
        bool moves_a = each->half == (each->left < 0); /* forwards channel A goes first, backwards channel B */
        if (moves_a) {
            each->a = !each->a;
            set_pin('D', each->port_bit_a, each->a);
        } else {
            each->b = !each->b;
            set_pin('D', each->port_bit_b, each->b);
        }
        each->half = !each->half;
        if (!each->half) each->left += each->left < 0 ? 1 : -1;
    }
    return when + QUARTER_STEP;
}

static void on_bus(avr_irq_t *irq, uint32_t value, void *param) {
    (void)irq, (void)param;
    avr_twi_msg_irq_t message = {.u.v = value};
    unsigned what = message.u.twi.msg, address = message.u.twi.addr & 0xfe;
    if (what & TWI_COND_STOP) imu.selected = imu.addressed = false;
    if (what & TWI_COND_START) {
        imu.selected = imu.there && address == 0x68 << 1;
        if (imu.selected) avr_raise_irq(imu.irq + TWI_IRQ_INPUT, avr_twi_irq_msg(TWI_COND_ACK, message.u.twi.addr, 1));
    }
    if (!imu.selected) return;
    if (what & TWI_COND_WRITE) {
        avr_raise_irq(imu.irq + TWI_IRQ_INPUT, avr_twi_irq_msg(TWI_COND_ACK, message.u.twi.addr, 1));
        if (!imu.addressed) imu.at = message.u.twi.data;
        else imu.registers[imu.at++] = message.u.twi.data;
        imu.addressed = true;
    }
    if (what & TWI_COND_READ) {
        bool stands = imu.turns_until && avr->cycle > imu.turns_until && imu.at >= 0x43 && imu.at <= 0x48;
        unsigned char data = stands ? 0 : imu.registers[imu.at];
        imu.at++;
        avr_raise_irq(imu.irq + TWI_IRQ_INPUT, avr_twi_irq_msg(TWI_COND_READ, message.u.twi.addr, data));
    }
}

static int duty(int compare, int connected, int back) {
    if (!(avr->data[TCCR1A] & connected)) return 0;
    int value = avr->data[compare] | avr->data[compare + 1] << 8;
    return (value * 1000 + 400) / 799 * (avr->data[PORTD] & back ? -1 : 1);
}

static void obey(char *line) {
    char word[8];
    int a, b, v[7];
    if (strcmp(line, "pins") == 0) {
        printf("pins %llu %d %d %d\n", (unsigned long long)((avr->cycle - first_cycle) / (HERTZ / 1000)), duty(OCR1A, 0x80, 0x40),
               duty(OCR1B, 0x20, 0x80), avr->data[PORTB] >> 3 & 3);
        return;
    }
    if (sscanf(line, "button %d", &a) == 1) {
        button = a;
        set_pin('B', 0, button);
    } else if (sscanf(line, "adc %d %d", &a, &b) == 2 && a >= 0 && a < 8) {
        avr_raise_irq(avr_io_getirq(avr, AVR_IOCTL_ADC_GETIRQ, ADC_IRQ_ADC0 + a), (uint32_t)b);
    } else if (sscanf(line, "turn %7s %d", word, &a) == 2) {
        encoders[strcmp(word, "right") == 0].left += a;
    } else if (strcmp(line, "imu off") == 0) {
        imu.there = false;
    } else if ((a = sscanf(line, "imu %d %d %d %d %d %d %d %d", v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6, &b)) >= 7) {
        imu.there = true;
        imu.turns_until = a == 8 ? avr->cycle + (avr_cycle_count_t)b * (HERTZ / 1000) : 0;
        for (int at = 0; at < 7; at++) {
            imu.registers[0x3b + 2 * at] = (unsigned char)(v[at] >> 8 & 0xff);
            imu.registers[0x3c + 2 * at] = (unsigned char)(v[at] & 0xff);
        }
    } else if (strcmp(line, "unplug") == 0) {
        unplug();
    } else if (strcmp(line, "plug") == 0) {
        unplug();
        plug();
        return;
    } else if (strcmp(line, "reset") == 0) {
        reset_asked = true; /* in the main loop: it clears the timers, one of which is running this */
    } else if (strcmp(line, "freeze") == 0) {
        avr->data[TIMSK2] = 0;
    } else {
        printf("unknown\n");
        return;
    }
    printf("ok\n");
}

static void control(void) {
    static char line[128];
    static size_t length;
    char byte;
    if (read(0, &byte, 1) != 1) {
        ended = true;
        return;
    }
    if (byte != '\n') {
        if (length + 1 < sizeof line) line[length++] = byte;
        return;
    }
    line[length] = 0;
    length = 0;
    obey(line);
    fflush(stdout);
}

static double elapsed(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - began.tv_sec) + (double)(now.tv_nsec - began.tv_nsec) * 1e-9;
}

static avr_cycle_count_t look(avr_t *of, avr_cycle_count_t when, void *param) {
    (void)param;
    flush_out();
    for (;;) {
        double ahead = (double)(of->cycle - first_cycle) / (HERTZ * speed) - elapsed();
        struct timespec wait = {0, ahead > 0 ? (long)(ahead * 1e9) : 0};
        struct pollfd from[2] = {{0, POLLIN, 0}, {may_send ? master : -1, POLLIN, 0}};
        if (ppoll(from, 2, &wait, NULL) <= 0) break;
        if (from[0].revents) control();
        if (ended) break;
        if (from[1].revents & POLLIN) {
            feed();
        } else if (from[1].revents) {
            break;
        }
    }
    return when + POLL;
}

static void no_sleep(avr_t *of, avr_cycle_count_t cycles) { (void)of, (void)cycles; } /* look() waits */

/* simavr tells of bytes that a board at another speed misses; its frames tell us. */
static void quiet(avr_t *of, const int level, const char *format, va_list words) {
    (void)of, (void)level, (void)format, (void)words;
}

/* After a reset, which clears the timers; `why` is what MCUSR says: 1 power on, 2 the pin, 8 the watchdog. simavr 1.6 always says 2. */
static void begin(uint8_t why) {
    avr->data[MCUSR] = why;
    set_pin('B', 0, button);
    avr_cycle_timer_register(avr, POLL, look, NULL);
    avr_cycle_timer_register(avr, QUARTER_STEP, turn_wheels, NULL);
    clock_gettime(CLOCK_MONOTONIC, &began);
    first_cycle = avr->cycle;
    may_send = true;
}

static void load_bootloader(const char *file) {
    ihex_chunk_p chunks = NULL;
    int parts = read_ihex_chunks(file, &chunks);
    avr->reset_pc = avr->flashend;
    for (int at = 0; at < parts; at++) {
        if (chunks[at].baseaddr > avr->flashend) continue;
        uint32_t room = avr->flashend + 1 - chunks[at].baseaddr; /* the reader counts the start record in */
        memcpy(avr->flash + chunks[at].baseaddr, chunks[at].data, chunks[at].size < room ? chunks[at].size : room);
        if (chunks[at].baseaddr < avr->reset_pc) avr->reset_pc = chunks[at].baseaddr; /* the fuse BOOTRST */
    }
    if (avr->reset_pc == avr->flashend) {
        fprintf(stderr, "simulate: %s isn't a bootloader\n", file);
        exit(2);
    }
    avr->pc = avr->reset_pc;
    avr->codeend = avr->flashend;
}

int main(int count, char **words) {
    elf_firmware_t firmware = {0};
    if (count < 3) {
        fprintf(stderr, "simulate: name the image and the link to make\n");
        return 2;
    }
    if (count > 3) speed = 1 + atof(words[3]) * 1e-6;
    name_of_link = words[2];
    avr_global_logger_set(quiet);
    if (elf_read_firmware(words[1], &firmware) != 0) {
        fprintf(stderr, "simulate: %s isn't an image\n", words[1]);
        return 2;
    }
    strcpy(firmware.mmcu, "atmega328p");
    firmware.frequency = HERTZ;
    avr = avr_make_mcu_by_name(firmware.mmcu);
    avr_init(avr);
    avr_load_firmware(avr, &firmware);
    avr->frequency = HERTZ;
    avr->vcc = avr->avcc = avr->aref = 5000;
    avr->sleep = no_sleep;
    if (count > 4) load_bootloader(words[4]);

    uint32_t flags = 0;
    avr_ioctl(avr, AVR_IOCTL_UART_GET_FLAGS('0'), &flags);
    flags &= ~(uint32_t)(AVR_UART_FLAG_STDIO | AVR_UART_FLAG_POLL_SLEEP);
    avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
    uart_in = avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), on_output, NULL);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUT_XON), on_xon, NULL);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUT_XOFF), on_xoff, NULL);

    static const char *names[TWI_IRQ_COUNT] = {"8>imu.out", "32<imu.in", "32>imu.status"};
    imu.irq = avr_alloc_irq(&avr->irq_pool, 0, TWI_IRQ_COUNT, names);
    avr_irq_register_notify(imu.irq + TWI_IRQ_OUTPUT, on_bus, NULL);
    avr_connect_irq(imu.irq + TWI_IRQ_INPUT, avr_io_getirq(avr, AVR_IOCTL_TWI_GETIRQ(0), TWI_IRQ_INPUT));
    avr_connect_irq(avr_io_getirq(avr, AVR_IOCTL_TWI_GETIRQ(0), TWI_IRQ_OUTPUT), imu.irq + TWI_IRQ_OUTPUT);

    plug();
    fflush(stdout);
    for (uint8_t why = 1; !ended;) {
        if (reset_asked) {
            reset_asked = false;
            avr_reset(avr);
            why = 2;
        }
        if (avr->pc == avr->reset_pc) { /* no program comes here but by a reset, also by one of the watchdog */
            begin(why);
            why = 8;
        }
        int state = avr_run(avr);
        if (state == cpu_Done || state == cpu_Crashed) {
            fprintf(stderr, "simulate: the program ended or crashed\n");
            return 1;
        }
    }
    unplug();
    return 0;
}
