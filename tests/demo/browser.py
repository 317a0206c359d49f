"""Two windows of Chromium chat at the page given, as Ann and Bob; the page's CA is trusted by its key.

Arguments: the page's URL, the CA file (a PEM file), and a PNG file for a screenshot of each window (NAME-1.png).
"""

import base64
import hashlib
import shutil
import subprocess
import sys
import tempfile

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

page, ca, screenshot = sys.argv[1:4]
# By either of which a browser reaches a name below .localhost.
LOOPBACK = ("127.0.0.1", "::1")


def browser(profile, ca_key):
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--no-proxy-server",
        f"--user-data-dir={profile}",
        # Takes chains that this key signed, in place of an authority of the system's.
        f"--ignore-certificate-errors-spki-list={ca_key}",
    ):
        options.add_argument(argument)
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    return webdriver.Chrome(options=options, service=service)


def key_of(ca):
    public = subprocess.run(
        ["openssl", "x509", "-in", ca, "-noout", "-pubkey"], check=True, capture_output=True
    )
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-outform", "der"], input=public.stdout, check=True, capture_output=True
    )
    return base64.b64encode(hashlib.sha256(der.stdout).digest()).decode()


def wait(driver, condition):
    return WebDriverWait(driver, 15).until(condition)


def enter(driver, name):
    wait(driver, lambda d: d.find_element(By.ID, "name").is_displayed())
    driver.find_element(By.ID, "name").send_keys(name, Keys.TAB)
    room = driver.switch_to.active_element
    assert room.get_attribute("id") == "room", "the keyboard leads from the name to the room"
    room.send_keys(Keys.ENTER)
    wait(driver, lambda d: d.find_element(By.ID, "state").text == "connected")
    assert driver.find_element(By.ID, "address").text in LOOPBACK


def say(driver, text):
    assert driver.switch_to.active_element.get_attribute("id") == "text", "the message has the focus"
    driver.switch_to.active_element.send_keys(text, Keys.ENTER)


def heard(driver, name, text):
    def found(driver):
        for item in driver.find_elements(By.CSS_SELECTOR, "#log li.message"):
            if item.find_element(By.CSS_SELECTOR, ".text").text == text:
                return item.find_element(By.TAG_NAME, "b").text == name and item.find_element(
                    By.CSS_SELECTOR, ".from code"
                ).text in LOOPBACK
        return False

    wait(driver, found)


with tempfile.TemporaryDirectory() as profile:
    driver = browser(profile, key_of(ca))
    try:
        driver.set_window_size(1000, 720)
        driver.get(page)
        enter(driver, "Ann")
        ann = driver.current_window_handle
        driver.switch_to.new_window("window")
        driver.set_window_size(420, 800)
        driver.get(page.split("?")[0])
        driver.find_element(By.ID, "name").clear()
        enter(driver, "Bob")
        bob = driver.current_window_handle
        say(driver, "Hello Ann, <b>this</b> came over a secure WebSocket.")
        driver.switch_to.window(ann)
        heard(driver, "Bob", "Hello Ann, <b>this</b> came over a secure WebSocket.")
        say(driver, "And back. The load balancer ends TLS, and the proxy knows who you are.")
        driver.switch_to.window(bob)
        heard(driver, "Ann", "And back. The load balancer ends TLS, and the proxy knows who you are.")
        for number, window in enumerate((ann, bob), 1):
            driver.switch_to.window(window)
            driver.save_screenshot(screenshot.replace(".png", f"-{number}.png"))
    finally:
        driver.quit()
print("chatted")
