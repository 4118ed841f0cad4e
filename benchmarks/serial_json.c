/* The peer of benchmarks/serial_line.py: lines of JSON, as many a sketch speaks them. {"mark":7} is answered by
   {"mark":7,"time":1234567}; the same chip, baud rate, ring and interrupts as our firmware, no checksum. */
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include <stdlib.h>
#include <string.h>
#include <util/atomic.h>

static volatile unsigned char rx[128], rx_in, rx_out;
static volatile unsigned long ticks;

ISR(USART_RX_vect) {
    rx[rx_in] = UDR0;
    rx_in = (rx_in + 1) % sizeof rx;
}
ISR(TIMER2_COMPA_vect) { ticks++; }

static void say(const char *text) {
    for (; *text; text++) {
        while (!(UCSR0A & _BV(UDRE0))) {}
        UDR0 = (unsigned char)*text;
    }
}

static void number(unsigned long value) {
    char digits[12];
    say(ultoa(value, digits, 10));
}

int main(void) {
    UBRR0 = 7;
    UCSR0A = _BV(U2X0);
    UCSR0B = _BV(RXEN0) | _BV(TXEN0) | _BV(RXCIE0);
    OCR2A = 249;
    TCCR2A = _BV(WGM21);
    TIMSK2 = _BV(OCIE2A);
    TCCR2B = _BV(CS22);
    sei();
    char line[100];
    for (unsigned char length = 0;;) {
        cli();
        if (rx_in == rx_out) { /* it sleeps as ours does, or the simulator would be what is measured */
            sleep_enable();
            sei();
            sleep_cpu();
            sleep_disable();
            continue;
        }
        sei();
        char byte = (char)rx[rx_out];
        rx_out = (rx_out + 1) % sizeof rx;
        if (byte != '\n') {
            if (length + 1u < sizeof line) line[length++] = byte;
            continue;
        }
        line[length] = 0;
        length = 0;
        char *at = strstr(line, "\"mark\":");
        if (at == NULL) continue;
        unsigned long now;
        ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { now = ticks * 1000 + TCNT2 * 4u; }
        say("{\"mark\":");
        number(strtoul(at + 7, NULL, 10));
        say(",\"time\":");
        number(now);
        say("}\n");
    }
}
