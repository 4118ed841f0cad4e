/* The core on an ATmega328P at 16 MHz (Arduino Uno and Nano); docs/boards.md has the table of pins. */
#include <avr/eeprom.h>
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include <avr/wdt.h>
#include <stdlib.h>
#include <util/atomic.h>

#include "../core/core.h"
#include "imu.h"

enum {
    TX_SIZE = 128,   /* two frames: one of a stream, and an answer */
    PWM_TOP = 799,   /* 20 kHz, which nobody hears */
    CHANNELS = 4,    /* battery, a1, a2, a3 */
    BUTTON = PB0,
    LEFT_PWM = PB1,
    RIGHT_PWM = PB2,
    LED_1 = PB3,
    LED_2 = PB4,
    ALIVE = PB5,
    LEFT_B = PD4,
    RIGHT_B = PD5,
    LEFT_BACK = PD6,
    RIGHT_BACK = PD7,
};

static volatile uint8_t rx[WINDOW], rx_in, rx_out, tx[TX_SIZE], tx_in, tx_out;
static volatile uint32_t ticks; /* ms */
static volatile int32_t left, right;
static uint16_t adc[CHANNELS];
static core_t core;

/* A restart by the watchdog leaves it running, faster than the start-up code. */
void watchdog_off(void) __attribute__((naked, used, section(".init3")));
void watchdog_off(void) {
    MCUSR = 0;
    wdt_disable();
}

ISR(USART_RX_vect) {
    uint8_t byte = UDR0, next = (rx_in + 1) % WINDOW;
    if (next == rx_out) return; /* the host doesn't keep to the window; the CRC tells */
    rx[rx_in] = byte;
    rx_in = next;
}

ISR(USART_UDRE_vect) {
    if (tx_in == tx_out) {
        UCSR0B &= (uint8_t)~_BV(UDRIE0);
        return;
    }
    UDR0 = tx[tx_out];
    tx_out = (tx_out + 1) % TX_SIZE;
}

ISR(TIMER2_COMPA_vect) { ticks++; }

/* An edge of channel A; channel B tells which way. */
ISR(INT0_vect) { left += !(PIND & _BV(PD2)) == !(PIND & _BV(LEFT_B)) ? -1 : 1; }
ISR(INT1_vect) { right += !(PIND & _BV(PD3)) == !(PIND & _BV(RIGHT_B)) ? -1 : 1; }

uint32_t port_micros(void) {
    uint32_t ms;
    uint8_t count;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        ms = ticks;
        count = TCNT2;
        if ((TIFR2 & _BV(OCF2A)) && count < 125) ms++; /* the interrupt that counts it has yet to run */
    }
    return ms * 1000 + (uint16_t)(count * 4);
}

uint8_t port_room(void) {
    uint8_t used;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { used = (uint8_t)(tx_in - tx_out) % TX_SIZE; }
    return (uint8_t)(TX_SIZE - 1 - used);
}

void port_send(const uint8_t *bytes, uint8_t length) {
    for (uint8_t at = 0; at < length; at++) {
        tx[tx_in] = bytes[at];
        tx_in = (tx_in + 1) % TX_SIZE;
    }
    UCSR0B |= _BV(UDRIE0);
}

void port_motors(const int16_t duty[2]) {
    PORTD = (uint8_t)((PORTD & ~(_BV(LEFT_BACK) | _BV(RIGHT_BACK))) | (duty[0] < 0 ? _BV(LEFT_BACK) : 0) |
                      (duty[1] < 0 ? _BV(RIGHT_BACK) : 0));
    OCR1A = (uint16_t)((uint32_t)abs(duty[0]) * PWM_TOP / FULL);
    OCR1B = (uint16_t)((uint32_t)abs(duty[1]) * PWM_TOP / FULL);
    /* The timer makes a spike of one clock where the comparison is 0; a pin that it doesn't drive is low. */
    TCCR1A = (uint8_t)(_BV(WGM11) | (duty[0] ? _BV(COM1A1) : 0) | (duty[1] ? _BV(COM1B1) : 0));
}

bool port_button(void) { return PINB & _BV(BUTTON); } /* closed to ground while all is well */

void port_leds(uint8_t on) {
    PORTB = (uint8_t)((PORTB & ~(_BV(LED_1) | _BV(LED_2))) | (on & 1 ? _BV(LED_1) : 0) | (on & 2 ? _BV(LED_2) : 0));
}

void port_name(uint32_t board) { eeprom_update_dword((uint32_t *)0, board); }

uint16_t port_battery(void) { return (uint16_t)((uint32_t)adc[0] * 625 / 32); } /* a divider by 4, 5 V, 1024 steps */

void port_encoders(encoders_t *encoders) {
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        encoders->left = left;
        encoders->right = right;
    }
}

void port_analogue(analogue_t *analogue) {
    analogue->a1 = (uint16_t)((uint32_t)adc[1] * 625 / 128);
    analogue->a2 = (uint16_t)((uint32_t)adc[2] * 625 / 128);
    analogue->a3 = (uint16_t)((uint32_t)adc[3] * 625 / 128);
}

bool port_imu(imu_t *imu) { return imu_latest(imu); }

/* One conversion of 104 us a millisecond, so that none is waited for. */
static void next_channel(void) {
    static uint8_t channel;
    if (ADCSRA & _BV(ADSC)) return;
    adc[channel] = ADC;
    channel = (channel + 1) % CHANNELS;
    ADMUX = _BV(REFS0) | channel;
    ADCSRA |= _BV(ADSC);
}

static void ports_init(void) {
    PORTB = _BV(BUTTON);
    DDRB = _BV(LEFT_PWM) | _BV(RIGHT_PWM) | _BV(LED_1) | _BV(LED_2) | _BV(ALIVE);
    PORTD = _BV(PD2) | _BV(PD3) | _BV(LEFT_B) | _BV(RIGHT_B);
    DDRD = _BV(LEFT_BACK) | _BV(RIGHT_BACK);
    UBRR0 = 7; /* 250000 baud, exactly; 115200 would be 2.1 % off at 16 MHz */
    UCSR0A = _BV(U2X0);
    UCSR0C = _BV(UCSZ01) | _BV(UCSZ00);
    UCSR0B = _BV(RXEN0) | _BV(TXEN0) | _BV(RXCIE0);
    ICR1 = PWM_TOP;
    TCCR1A = _BV(WGM11);
    TCCR1B = _BV(WGM13) | _BV(WGM12) | _BV(CS10);
    OCR2A = 249;
    TCCR2A = _BV(WGM21);
    TIMSK2 = _BV(OCIE2A);
    TCCR2B = _BV(CS22); /* 4 us a step */
    EICRA = _BV(ISC00) | _BV(ISC10);
    EIMSK = _BV(INT0) | _BV(INT1);
    ADMUX = _BV(REFS0);
    ADCSRA = _BV(ADEN) | _BV(ADSC) | _BV(ADPS2) | _BV(ADPS1) | _BV(ADPS0);
}

int main(void) {
    ports_init();
    imu_init();
    core_init(&core, eeprom_read_dword((const uint32_t *)0));
    wdt_enable(WDTO_120MS);
    set_sleep_mode(SLEEP_MODE_IDLE);
    sei();
    for (uint32_t done = 0;;) {
        /* What waits is within the window; an answer that found no room would be lost. */
        while (rx_out != rx_in && port_room() >= WIRE_MAX) {
            uint8_t byte = rx[rx_out];
            rx_out = (rx_out + 1) % WINDOW;
            core_byte(&core, byte);
        }
        uint32_t now;
        ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { now = ticks; }
        while (done != now) {
            wdt_reset(); /* only here: without the clock there would be no deadman */
            core_tick(&core, ++done);
            imu_tick(done);
            next_channel();
            uint8_t lit = core.latched ? done & 64 : done & 512;
            if (lit) PORTB |= _BV(ALIVE);
            else PORTB &= (uint8_t)~_BV(ALIVE);
        }
        cli();
        if ((rx_out == rx_in || port_room() < WIRE_MAX) && ticks == done) {
            sleep_enable();
            sei(); /* what follows is still run before any interrupt */
            sleep_cpu();
            sleep_disable();
        }
        sei();
    }
}
